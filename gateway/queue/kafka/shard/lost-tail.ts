/**
 * Order through a loss (I5). A cluster that lost the end of a partition has it written again, at its present end; so
 * nothing younger may be committed there before the loss is noticed, or a series would stand out of order for good.
 */
import { ClusterError, type Place } from "../cluster.ts";
import { insistently } from "./insistently.ts";
import { isOwn } from "./release.ts";
import type { Entry } from "./scan.ts";
import type { Site, Term } from "./term.ts";

/** Markers of a commit come within moments of its answer; foreign transactions before it may take longer. */
const decidedMaxMs = 10_000;
const lookEveryMs = 100;

/**
 * Looks at the partitions of an open transaction, all of whose records are acknowledged, before it is committed. Where
 * their leaders are those under which its entries stood, all of these stand before the new records; and what is lost
 * after this look is an end, which takes the new records along. So no moment between this look and the commit is left
 * in which a loss could break the order.
 * @param sent the last record of the transaction in each data partition
 * @throws ClusterError `abort` where records that were acknowledged are gone
 */
export async function refuseBehindLoss(site: Site, term: Term, sent: readonly Entry[]): Promise<void> {
  if (sent.length === 0) return;
  const { cluster } = site;
  const names = [...new Set(sent.map(({ topic }) => topic))];
  const led = await insistently(site, "away", "the leaders did not answer", () => cluster.leaders(names));
  for (const entry of sent) {
    const { topic, partition } = entry;
    const found = led.get(topic);
    const epoch = found?.leaderEpochs[partition];
    // What stood in a topic that was deleted, only the next term can write again.
    if (epoch === undefined || found?.id !== term.topics.get(topic)?.id) throw lostRecords(site, "abort");
    const key = `${topic}/${partition}`;
    const seenEpoch = term.leaderEpochs.get(key) ?? epoch;
    if (seenEpoch !== epoch) {
      const ask = () => cluster.endOfEpoch(entry, seenEpoch);
      const end = await insistently(site, "away", "a leader did not answer", ask);
      if (term.entries.some((one) => isSame(one, entry) && one.offset >= end)) throw lostRecords(site, "abort");
      if (entry.offset >= end) term.unproven.push(entry);
    }
    term.leaderEpochs.set(key, epoch);
  }
}

function isSame(one: Place, other: Place): boolean {
  return one.topic === other.topic && one.partition === other.partition;
}

/**
 * Looks for the records that were sent about when a leader changed, before anything younger is sent: those that the new
 * leader took stand there, and those that the former one acknowledged may have been lost with it.
 * @throws ClusterError `restart` where one is gone, or nobody can tell
 */
export async function proveEntries(site: Site, term: Term): Promise<void> {
  const { cluster, env, pause } = site;
  for (const untilMs = env.monoMs() + decidedMaxMs; ; ) {
    const [entry] = term.unproven;
    if (entry === undefined) return;
    const { low, stable } = await cluster.watermarks(entry);
    if (entry.offset < stable) {
      // What retention has taken was there.
      let stands = entry.offset < low;
      if (!stands) {
        await cluster.read(entry, entry.offset, entry.offset + 1, (record) => {
          stands ||= isOwn(site, record, entry.t);
        });
      }
      if (!stands) throw lostRecords(site, "restart");
      term.unproven.shift();
    } else if (env.monoMs() > untilMs) {
      throw new ClusterError("restart", "a record that was sent about when a leader changed is not decided", entry);
    } else await pause(lookEveryMs);
  }
}

/** Says that records are gone. @returns what ends the term */
export function lostRecords({ log, shard }: Site, trouble: "abort" | "restart"): ClusterError {
  log.error({ shard, alarm: true }, "the cluster lost records that it had acknowledged; they are written again");
  return new ClusterError(trouble, "records are gone");
}
