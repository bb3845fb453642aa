/** Where the line of the demo ends: what its gateway is told of it, and how somebody else reads it. */
import type { Line } from "./line.ts";
import { type Follower, followQueue, readQueueLines } from "./read-queue.ts";
import { type Sabotage, sabotageQueue } from "./sabotage.ts";

export interface DemoQueue {
  /** `queue` of the gateway's configuration. */
  readonly section: object;
  /** Counts lines as they come, while gateways come and go. */
  follow(line: Line): Follower;
  /** Calls `take` with every committed line, once nothing comes any more. */
  read(line: Line, take: (text: string) => void): Promise<void>;
  /** Spoils it, so that the audit must fail; the gateway is stopped. Returns what was spoilt. */
  spoil(line: Line, how: Sabotage): Promise<string>;
  /** What a person types to watch it, and where it lies. */
  describe(line: Line): { readonly watch: string; readonly where: string };
  /** The server behind the queue; null where the demo has not started it, and must not break it. */
  readonly server: QueueServer | null;
  /** @param forget removes what the demo has left behind in a cluster of others */
  close(forget: boolean): Promise<void>;
}

export interface QueueServer {
  kill(): Promise<void>;
  /** Brings it back with what its disk has. */
  start(): Promise<void>;
}

/** The embedded queue. Segments are small, so that the audit meets closed ones too. */
export const fileQueue: DemoQueue = {
  section: { segmentAge: "5s", segmentBytes: "1MB" },
  follow: (line) => followQueue(line.queueFolder),
  read: (line, take) => readQueueLines(line.queueFolder, take),
  describe: ({ gateway, queueFolder }) => ({
    watch: `npx holdfast-gateway queue read --follow --config ${gateway.configFile}`,
    where: `in ${queueFolder}`,
  }),
  spoil: async (line, how) => sabotageQueue(line.queueFolder, how),
  server: null,
  close: async () => undefined,
};
