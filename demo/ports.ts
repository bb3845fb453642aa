/** Ports for servers that are killed and started again at the same place. */
import { createServer } from "node:net";

/**
 * Below the range that the kernel takes for outgoing connections (32768 and up on Linux): there, while a server is
 * down, another connection could be given its port, or a client that tries again could be connected to itself.
 */
const from = 12_000;
const to = 32_000;
const triesMax = 200;

/** Ports of loopback that nobody listens on now. */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  for (let tries = 0; found.size < count && tries < triesMax; tries++) {
    const port = from + Math.floor(Math.random() * (to - from));
    if (!found.has(port) && (await isFree(port))) found.add(port);
  }
  if (found.size < count) throw new Error(`no ${count} free ports were found on 127.0.0.1`);
  return [...found];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
