/** The ways between the servers of a cluster, each a small TCP proxy, so that a server can be cut off from the others. */
import { createServer, connect as dial, type Server, type Socket } from "node:net";

export interface Routes {
  /** Where server `from` finds server `to`. */
  address(from: number, to: number): string;
  /** From now on nothing passes to a server or from it, and nobody is told, as if a cable were pulled. */
  cut(node: number): void;
  /** What was cut off is closed, and may connect again. */
  heal(node: number): void;
  close(): Promise<void>;
}

interface Way {
  readonly from: number;
  readonly to: number;
  readonly server: Server;
  readonly sockets: Set<Socket>;
}

/** @param portOf where a server listens for the others */
export async function startRoutes(nodes: readonly number[], portOf: (node: number) => number): Promise<Routes> {
  const isCut = new Set<number>();
  const ways: Way[] = [];

  function open(from: number, to: number): Promise<void> {
    const sockets = new Set<Socket>();
    const server = createServer((near) => {
      const far = dial(portOf(to), "127.0.0.1");
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(one);
        one.setNoDelay(true);
        one.on("error", () => {});
        one.on("close", () => {
          sockets.delete(one);
          other.destroy();
        });
      }
      near.pipe(far);
      far.pipe(near);
      if (isCut.has(from) || isCut.has(to)) for (const socket of [near, far]) socket.unpipe().pause();
    });
    ways.push({ from, to, server, sockets });
    return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  }

  const socketsOf = (node: number) =>
    ways.filter(({ from, to }) => from === node || to === node).flatMap(({ sockets }) => [...sockets]);

  await Promise.all(nodes.flatMap((from) => nodes.filter((to) => to !== from).map((to) => open(from, to))));
  return {
    address(from, to) {
      const address = ways.find((way) => way.from === from && way.to === to)?.server.address();
      if (typeof address !== "object" || address === null) throw new Error(`there is no way from ${from} to ${to}`);
      return `127.0.0.1:${address.port}`;
    },
    cut(node) {
      isCut.add(node);
      for (const socket of socketsOf(node)) socket.unpipe().pause();
    },
    heal(node) {
      isCut.delete(node);
      for (const socket of socketsOf(node)) socket.destroy();
    },
    async close() {
      for (const { server, sockets } of ways) {
        for (const socket of sockets) socket.destroy();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}
