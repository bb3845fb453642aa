/**
 * What happens in the demo, in order: start, send, cut the link, kill the gateway, kill the agent, kill both at random,
 * drain. Everything is done to real processes; producers never pause while it happens.
 */
import { join } from "node:path";
import { messageOf } from "../shared/errors.ts";
import type { Line } from "./line.ts";
import type { Link } from "./link.ts";
import { type GrowingFile, growFile } from "./log-file.ts";
import type { Remembered } from "./memory.ts";
import { tailOf } from "./processes.ts";
import { type Producers, startProducers } from "./producers.ts";
import type { QueueServer } from "./queue.ts";
import { sleep, until } from "./waiting.ts";

export interface Stage {
  readonly line: Line;
  readonly link: Link;
  readonly memory: Remembered;
  readonly logPath: string;
  /** What the queue runs on; null where it is left alone. */
  readonly queueServer: QueueServer | null;
  /** Says what happens next, in a sentence. */
  readonly tell: (text: string) => void;
  /** Lines of a stream in the queue so far, as a reader of its own counts them. */
  readonly queued: (stream: string) => number;
}

/** What was done to the line. */
export interface Story {
  readonly unanswered: number;
  readonly logLines: number;
  readonly cuts: number;
  readonly gatewayKills: number;
  readonly agentKills: number;
  readonly queueServerKills: number;
}

export const streams = { sent: "telemetry", log: "log", host: "host" } as const;
export const agentName = "demo";
export const logInput = "app";

const actMs = 3_500;
const cutMs = 4_000;
const downMs = 1_000;
const backWithinMs = 8_000;
const drainWithinMs = 25_000;

/** Plays all of it; resolves once nothing waits any more. */
export async function play(stage: Stage): Promise<Story> {
  const { line, link, tell, memory } = stage;
  tell("The agent starts.");
  await line.agent.start();
  const file = growFile({
    path: stage.logPath,
    input: logInput,
    agent: agentName,
    stream: streams.log,
    everyMs: 100,
    memory,
  });
  const producers = startProducers({
    port: line.ports.http,
    agent: agentName,
    stream: streams.sent,
    memory,
    first: 1,
    bodyReadingsMax: 25,
    pauseMs: 40,
  });
  try {
    tell("Four producers send readings in four formats, and a program writes a log file.");
    await sleep(actMs);

    tell(`The link is cut for ${cutMs / 1000} s. The agent goes on accepting.`);
    link.cut();
    await sleep(cutMs);
    tell("The link is back.");
    link.restore();
    await linked(line);
    await sleep(actMs / 2);

    tell("The gateway is killed with SIGKILL, and comes back.");
    await killed(line.gateway);
    await sleep(downMs);
    await line.gateway.start();
    await linked(line);
    await sleep(actMs / 2);

    tell("The agent is killed with SIGKILL, and comes back. Producers try again until they are told 204.");
    await killed(line.agent);
    await sleep(downMs);
    await line.agent.start();
    await sleep(actMs);

    if (stage.queueServer !== null) {
      tell("The Kafka broker is killed with SIGKILL, and comes back. The gateway goes on accepting.");
      await stage.queueServer.kill();
      await sleep(downMs);
      await stage.queueServer.start();
      await sleep(actMs);
    }

    tell("Agent and gateway are killed once more, each at a moment nobody chose.");
    await Promise.all([killSometime(line.gateway), killSometime(line.agent)]);
    await sleep(actMs / 2);
  } finally {
    file.stop();
    await producers.stop();
  }
  tell("The producers have stopped. What waits is drained.");
  await drain(stage, file);
  const queueServerKills = stage.queueServer === null ? 0 : 1;
  return { ...told(producers, file), cuts: 1, gatewayKills: 2, agentKills: 2, queueServerKills };
}

function told(producers: Producers, file: GrowingFile): { unanswered: number; logLines: number } {
  return { unanswered: producers.unanswered(), logLines: file.lines() };
}

/** Waits until the agent is back: it tries after random pauses that grow (I9). Without that the story goes on too. */
async function linked(line: Line): Promise<void> {
  const isUp = async (): Promise<boolean> => (await line.agent.status()).link === "up";
  await until("the agent is back", isUp, backWithinMs).catch(() => undefined);
}

/** Kills a program; one that had ended by itself before is a failure of its own. */
async function killed(program: Line["agent"] | Line["gateway"]): Promise<void> {
  const { signal, code } = await program.kill();
  if (signal === "SIGKILL") return;
  throw new Error(`a program ended by itself with ${signal ?? code}:\n${tailOf(program.logFile)}`);
}

async function killSometime(program: Line["agent"] | Line["gateway"]): Promise<void> {
  await sleep(Math.random() * 2 * downMs);
  await killed(program);
  await sleep(downMs / 2);
  await program.start();
}

/**
 * Waits until nothing waits: in the agent, in the gateway, or in the log file, whose lines are counted where they
 * arrive. Where it takes too long the audit says what is missing, which is worth more than a time-out.
 */
async function drain({ line, queued, tell }: Stage, file: GrowingFile): Promise<void> {
  const isDrained = async (): Promise<boolean> => {
    const [agent, gateway] = await Promise.all([line.agent.status(), line.gateway.status()]);
    return agent.pendingReadings === 0 && gateway.pendingReadings === 0 && queued(streams.log) >= file.lines();
  };
  await until("nothing waits", isDrained, drainWithinMs, 200).catch((error: unknown) => tell(messageOf(error)));
}

/** The log file of the demo. */
export function logPathOf(folder: string): string {
  return join(folder, "app.log");
}
