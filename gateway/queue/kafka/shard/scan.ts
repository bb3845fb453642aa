/**
 * What a shard reads when it starts, after its producer has fenced whoever had the shard before (docs/design-kafka.md: in
 * this order). Nothing is sent before all of it was read: a zombie's late commit could double it.
 */
import { Fault } from "../../../../shared/errors.ts";
import type { Place, TopicInfo, TransactionalProducer, Watermarks } from "../cluster.ts";
import { movedTo } from "../mirror/moves.ts";
import { basesOn, decodePosition } from "../records/position-records.ts";
import { beginningLost } from "../refusals.ts";
import { type Derived, derivePositions, type Folded, foldPositions } from "./derive.ts";
import { type Doubled, gatherNames } from "./found-names.ts";
import type { Site } from "./term.ts";
import { type VanishedTopic, vanishedTopics } from "./vanished.ts";

/** The last record of one transaction in one partition: while it stands there, so does all before it. */
export interface Entry extends Place {
  readonly t: number;
  readonly offset: number;
}

export interface Scan {
  readonly folded: Folded;
  readonly derived: Derived;
  readonly topics: ReadonlyMap<string, TopicInfo>;
  /** The latest transaction of which anything is there. */
  readonly t: number;
  /** Of the transactions that are not released. */
  readonly entries: readonly Entry[];
  /** True where transactions of this shard had to be aborted. */
  readonly aborted: boolean;
  /** Of the data, by `topic/partition`, when the scan began. */
  readonly leaderEpochs: ReadonlyMap<string, number>;
  /** Of all partitions, in one text: while they stay, nothing that was read can be lost. */
  readonly epochs: string;
  /** Partitions whose base retention has passed, and seqs that stand there twice: both must be said. */
  readonly passed: readonly Place[];
  readonly doubled: Doubled;
  /** Topics that were deleted with what was released there. */
  readonly vanished: readonly VanishedTopic[];
}

const lookEveryMs = 200;
/** Own records that are undecided this long after `init` have lost their abort marker: nobody will ever decide them. */
const hangingAfterMs = 2_000;
/** A foreign transaction ends within its time-out, and a dead producer's within ten seconds more (measured). */
const undecidedMaxMs = 80_000;

/** Reads everything. @throws ClusterError, Fault `damaged`, Fault `unavailable` (retryable) */
export async function scanShard(site: Site, producer: TransactionalProducer): Promise<Scan> {
  const { cluster, format, positions } = site;
  const all = await cluster.topics();
  const topics = new Map([...all].filter(([name]) => format.isOwn(name)));
  const places = placesOf(topics);
  const { marks, aborted } = await decidedMarks(site, [positions, ...places], producer);
  const [own, ...data] = marks as [Watermarks, ...Watermarks[]];
  if (own.low > 0) throw new Fault("damaged", beginningLost(positions, own.low));
  const { folded, take } = foldPositions();
  await cluster.read(positions, 0, own.high, (record) => take(decodePosition(record)));

  const { shard } = folded;
  const found = gatherNames();
  const released = gatherNames();
  const entries: Entry[] = [];
  const passed: Place[] = [];
  let t = shard.t;
  for (const [at, place] of places.entries()) {
    const { low, high } = data[at] as Watermarks;
    const bases = basesOn(shard, place.topic, topics.get(place.topic)?.id ?? "");
    const from = bases?.previous[place.partition] ?? 0;
    const newest = bases?.newest[place.partition] ?? 0;
    if (bases !== undefined && low > from) passed.push(place);
    const lastOf = new Map<number, number>();
    await cluster.read(place, Math.max(from, low), high, ({ headers, offset }) => {
      const name = format.nameOf(headers);
      if (name === undefined) throw unreadable(place, offset);
      if (name === "foreign" || name.shard !== site.shard || name.namespace !== site.namespace) return;
      if (name.t > t) t = name.t;
      found.note(name);
      if (offset < newest) released.note(name);
      if (name.t > shard.baseT) lastOf.set(name.t, offset);
    });
    for (const [written, offset] of lastOf) entries.push({ ...place, t: written, offset });
  }
  const leaderEpochs = new Map(
    places.map(({ topic, partition }, at) => [`${topic}/${partition}`, (data[at] as Watermarks).leaderEpoch]),
  );
  // Copied positions may be ahead of the copied data: what of them cannot be verified is not believed either.
  const isCopy = movedTo(site.clusterId, shard).moves > shard.moves;
  const derived = derivePositions(folded, { found, released }, passed.length === 0 || isCopy);
  const vanished = isCopy ? [] : vanishedTopics(shard, all);
  const [doubled, epochs] = [found.doubled(), epochsOf(marks)];
  return { folded, derived, topics, t, entries, aborted, leaderEpochs, epochs, passed, doubled, vanished };
}

/** Skipping it could write its seqs once more. */
function unreadable({ topic, partition }: Place, offset: number): Fault {
  return new Fault("too-new", {
    what: `the name of the record at offset ${offset} of ${topic}, partition ${partition}, cannot be read`,
    why: "a newer version of Holdfast wrote it, or somebody changed it",
    remedy: "run the newer version",
  });
}

/** The leader epochs of the partitions of a scan, as they are now. */
export async function epochsNow({ cluster, positions }: Site, { topics }: Scan): Promise<string> {
  const places = [positions, ...placesOf(topics)];
  return epochsOf(await Promise.all(places.map((place) => cluster.watermarks(place))));
}

function epochsOf(marks: readonly Watermarks[]): string {
  return marks.map(({ leaderEpoch }) => leaderEpoch).join(" ");
}

function placesOf(topics: ReadonlyMap<string, TopicInfo>): Place[] {
  return [...topics].flatMap(([topic, { partitions }]) =>
    Array.from({ length: partitions }, (_, partition): Place => ({ topic, partition })),
  );
}

/** Waits until every transaction that had begun by now is decided. */
async function decidedMarks(
  site: Site,
  places: readonly Place[],
  producer: TransactionalProducer,
): Promise<{ marks: Watermarks[]; aborted: boolean }> {
  const { cluster, env, pause } = site;
  const marks = await Promise.all(places.map((place) => cluster.watermarks(place)));
  const startMs = env.monoMs();
  let aborted = false;
  let open = places.flatMap((place, at) =>
    (marks[at] as Watermarks).stable < (marks[at] as Watermarks).high ? [{ place, at }] : [],
  );
  while (open.length > 0) {
    await pause(lookEveryMs);
    const waitedMs = env.monoMs() - startMs;
    if (!aborted && waitedMs >= hangingAfterMs) {
      aborted = true;
      // Records of this producer whose abort marker was lost hang for ever; the marker of a new abort decides them too.
      await producer.send(open.map(({ place }) => ({ ...place, ...emptyRecord })));
      await producer.abort();
    }
    const still: typeof open = [];
    for (const one of open) {
      const { stable } = await cluster.watermarks(one.place);
      if (stable < (marks[one.at] as Watermarks).high) still.push(one);
    }
    open = still;
    const [first] = open;
    if (first !== undefined && waitedMs > undecidedMaxMs) {
      const where = `${first.place.topic}, partition ${first.place.partition}`;
      throw new Fault("unavailable", {
        what: `a transaction in ${where} does not end`,
        why: "another producer has begun it, or its marker was lost",
        remedy: "find it with `kafka-transactions.sh find-hanging` and abort it; the gateway tries again by itself",
        retryable: true,
      });
    }
  }
  return { marks, aborted };
}

const emptyRecord = { key: null, value: null, timestampMs: null, headers: [] };
