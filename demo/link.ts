/**
 * The link between agent and gateway: a small TCP proxy that can be cut and restored. Cut, it closes what is open and
 * refuses what comes.
 */
import { connect, createServer, type Socket } from "node:net";

export interface Link {
  cut(): void;
  restore(): void;
  close(): Promise<void>;
}

const connectionsMax = 64;

/** Opens a link on loopback that leads from one port to another. */
export async function openLink(port: number, gatewayPort: number): Promise<Link> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let isCut = false;

  function pass(agent: Socket): void {
    if (isCut) return void agent.destroy();
    const gateway = connect(gatewayPort, "127.0.0.1");
    const pair = [agent, gateway] as const;
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      agent.destroy();
      gateway.destroy();
    };
    for (const socket of pair) socket.setNoDelay(true).on("error", end).on("close", end);
    // pipe keeps the back-pressure of either side.
    agent.pipe(gateway);
    gateway.pipe(agent);
  }

  const server = createServer(pass);
  server.maxConnections = connectionsMax;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });

  const cut = (): void => {
    isCut = true;
    for (const [agent] of pairs) agent.destroy();
  };
  return {
    cut,
    restore() {
      isCut = false;
    },
    close() {
      cut();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
