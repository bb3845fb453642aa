/** The durable parts of a gateway, opened in their order: the queue, and the journal that unites with it. */
import { mkdirSync } from "node:fs";
import type { Logger } from "pino";
import type { Env } from "../shared/env.ts";
import { Fault } from "../shared/errors.ts";
import type { GatewayConfig } from "./config.ts";
import { checkGroup, knownGroup } from "./group.ts";
import type { Journal } from "./journal/journal.ts";
import { folderPlace } from "./journal/place.ts";
import { notedClusters, rememberedPositions } from "./journal/remembered.ts";
import type { SeedingQueue } from "./journal/reseed.ts";
import { openSqliteJournal } from "./journal/sqlite.ts";
import { openFileQueue } from "./queue/file.ts";
import { type LateQueue, lateQueue } from "./queue/late.ts";
import type { Queue } from "./queue/queue.ts";
import type { StandbyQueue } from "./queue/standby/standby.ts";

/** What commands open too while no gateway runs. */
export interface Parts {
  readonly queue: Queue;
  readonly journal: Journal;
  /** The same queue, where it stands on two clusters. */
  readonly standby?: StandbyQueue;
  close(): Promise<void>;
}

export interface PartsOptions {
  readonly config: GatewayConfig;
  readonly env: Env;
  readonly log: Logger;
  /** Ends what waits for a cluster. */
  readonly signal: AbortSignal;
  /** The journal cannot go on. */
  readonly onFailed: (fault: Fault) => void;
}

/** A queue that takes longer to open is waited for with the gateway at work, if it has a journal that knows the queue. */
const patienceMs = 5_000;

/** Opens queue and journal; the queue first, since a journal that may have gone back unites with it. @throws Fault */
export async function openParts(options: PartsOptions): Promise<Parts> {
  const { queue } = options.config;
  if (queue.engine === "kafka" && queue.standby?.form === "switch") {
    const { openStandbyParts } = await import("./parts-standby.ts");
    return openStandbyParts(options, queue, queue.standby);
  }
  // There is one cluster where there were two: what the other one had is not forgotten.
  const noted = notedClusters(options.config.stateFolder);
  if (noted !== undefined) {
    const { leaveStandby } = await import("./leave-standby.ts");
    await leaveStandby(options, noted);
  }
  const opening = openQueue(options);
  // Whoever waits for it is told of a failure; where a failure elsewhere came first, nobody waits.
  opening.catch(() => undefined);
  const late = await lateIfSlow(options, opening);
  if (late === undefined) return await withJournal(options, await opening);
  let parts: Parts;
  try {
    parts = await withJournal(options, late);
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "busy") throw error;
    options.log.warn({ err: error }, "waiting for the queue");
    return await withJournal(options, await opening);
  }
  options.log.warn("the queue does not answer yet: the journal takes what agents bring, and forwards it later");
  meetLater(late, opening, parts.journal, options.config).catch((fault: Fault) => {
    if (!options.signal.aborted) options.onFailed(fault);
  });
  return parts;
}

async function withJournal(options: PartsOptions, queue: Queue): Promise<Parts> {
  try {
    const journal = await openJournal(options, queue);
    const close = async (): Promise<void> => {
      await journal.close();
      await queue.close();
    };
    return { queue, journal, close };
  } catch (error) {
    await queue.close();
    throw error;
  }
}

/** @throws Fault as openSqliteJournal and checkGroup do */
export async function openJournal(options: PartsOptions, queue: SeedingQueue): Promise<Journal> {
  const { env, log, onFailed } = options;
  const { stateFolder, journal: settings, groupId } = options.config;
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  checkGroup(stateFolder, queue.groupId, groupId);
  const place = folderPlace(stateFolder, env);
  return await openSqliteJournal({ place, env, quotaBytes: settings.quotaBytes, queue, log, onFailed });
}

/** What stands for a queue that is not there in time; undefined where it is, or where it must be waited for. */
async function lateIfSlow({ config, env }: PartsOptions, opening: Promise<Queue>): Promise<LateQueue | undefined> {
  const group = config.groupId ?? knownGroup(config.stateFolder);
  const slow = Promise.withResolvers<"slow">();
  const timer = env.after(patienceMs, () => slow.resolve("slow"));
  const first = await Promise.race([opening, slow.promise]).finally(() => timer.cancel());
  if (first !== "slow" || group === null) return undefined;
  const remembered = rememberedPositions(config.stateFolder);
  return remembered === undefined ? undefined : lateQueue(group, remembered);
}

/** Once the queue is there: is it the same, do journal and queue agree, and then forwarding begins. */
async function meetLater(
  late: LateQueue,
  opening: Promise<Queue>,
  journal: Journal,
  { stateFolder, groupId }: GatewayConfig,
): Promise<void> {
  const queue = await opening;
  late.attach(queue);
  checkGroup(stateFolder, queue.groupId, groupId);
  await journal.meetQueue();
  late.begin();
}

/** Only a queue on Kafka loads its client. */
async function openQueue({ config, env, log, signal }: PartsOptions): Promise<Queue> {
  const { queue: settings, stateFolder, groupId } = config;
  if (settings.engine === "file") return openFileQueue({ ...settings, env, log });
  const { openKafka } = await import("./queue/kafka/open.ts");
  return openKafka({ settings, env, log, groupId: groupId ?? knownGroup(stateFolder), signal });
}
