/** Queue and journal where the queue stands on two clusters: each of them may be away for as long as it likes. */
import { rmSync } from "node:fs";
import { hex } from "../shared/env.ts";
import { Fault } from "../shared/errors.ts";
import { awaitCluster } from "./await-cluster.ts";
import { secondCluster } from "./config-kafka.ts";
import { givenUpIn, givenUpPath, giveUp } from "./give-up.ts";
import { checkGroup, knownGroup } from "./group.ts";
import type { Journal } from "./journal/journal.ts";
import { rememberedPositions } from "./journal/remembered.ts";
import { openJournal, type Parts, type PartsOptions } from "./parts.ts";
import { openKafka } from "./queue/kafka/open.ts";
import type { KafkaSettings, StandbySettings } from "./queue/kafka/settings.ts";
import type { Side } from "./queue/standby/ledger.ts";
import { type StandbyQueue, standbyQueue } from "./queue/standby/standby.ts";

/** @throws Fault as openJournal does, and as openKafka where the queue is to be made */
export async function openStandbyParts(
  options: PartsOptions,
  primary: KafkaSettings,
  standby: StandbySettings,
): Promise<Parts> {
  const { config, env, log, signal } = options;
  const { stateFolder } = config;
  const settings: Record<Side, KafkaSettings> = { primary, standby: secondCluster(primary, standby) };
  const groupId = config.groupId ?? knownGroup(stateFolder) ?? (await newGroup(options, primary));
  const queue = standbyQueue({
    groupId,
    remembered: rememberedPositions(stateFolder) ?? [],
    open(side, mayMake, ending) {
      const make = mayMake ? { groupId, queueId: hex(env.randomBytes(16)) } : null;
      const until = AbortSignal.any([signal, ending]);
      return openKafka({ settings: settings[side], env, log, groupId, make, signal: until });
    },
    rules: standby.rules,
    abandoned: givenUpIn(stateFolder),
    env,
    log,
  });
  let journal: Journal;
  try {
    journal = await openWithBoth(options, queue);
  } catch (error) {
    await queue.close();
    throw error;
  }
  queue.begin({
    ledger: journal.ledger,
    journalId: () => journal.journalId(),
    meetQueue: () => journal.meetQueue(),
    keepGivenUp: (side) => giveUp(stateFolder, side),
    onGivenUp: () => rmSync(givenUpPath(stateFolder), { force: true }),
  });
  const close = async (): Promise<void> => {
    await queue.close();
    await journal.close();
  };
  return { queue, journal, standby: queue, close };
}

/** The group is made with the queue on the first cluster, which must be there for it once. */
async function newGroup({ config, env, log, signal }: PartsOptions, settings: KafkaSettings): Promise<string> {
  const queue = await openKafka({ settings, env, log, groupId: null, signal });
  await queue.close();
  checkGroup(config.stateFolder, queue.groupId, config.groupId);
  return queue.groupId;
}

/** A journal that is new, or that may have gone back, needs both clusters before it answers anybody. */
async function openWithBoth(options: PartsOptions, queue: StandbyQueue): Promise<Journal> {
  try {
    return await openJournal(options, queue.seeding);
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "busy") throw error;
    options.log.warn({ err: error }, "waiting for both clusters; `standby abandon` gives one up that is lost for good");
  }
  queue.start();
  await awaitCluster(options.env, options.signal, () => queue.reach() === "all");
  return await openJournal(options, queue.seeding);
}
