/** Rules of the Kafka queue that can be switched off: with any of them off the simulation must find a violation. */
import type { Patch } from "../../mutants/patch.ts";

const folder = "gateway/queue/kafka";

export const kafkaRules: Readonly<Record<string, readonly Patch[]>> = {
  // The producer fences the former owner before anything is read.
  fence: [
    {
      file: `${folder}/shard/term.ts`,
      find: '  await producer.init();\n  crashPoint("kafka shard taken");\n',
      replace: "",
    },
    {
      file: `${folder}/shard/term.ts`,
      find: "  const { folded, derived, topics } = scan;\n",
      replace: "  const { folded, derived, topics } = scan;\n  await producer.init();\n",
    },
  ],
  // Positions are the base united with a scan, never the newest records alone.
  scan: [
    {
      file: `${folder}/shard/derive.ts`,
      find: "unite(found, isVerifiable ? base : entry.ranges);",
      replace: "found.lanes().length < 0 || isVerifiable ? entry.ranges : [];",
    },
  ],
  // What of replays is there is base and scan as well.
  replaynames: [
    {
      file: `${folder}/shard/derive.ts`,
      find: "found.unite(replayText(id), isVerifiable ? base : entry.ranges);",
      replace: "entry.ranges;",
    },
  ],
  // A replay that is lost, in part or whole, is written as such.
  replayrepair: [
    {
      file: `${folder}/shard/term.ts`,
      find: "replays: [...derived.dirtyReplays]",
      replace: "replays: [...derived.dirtyReplays].slice(0, 0)",
    },
  ],
  // A release looks for the newest record of every replay.
  replayrecords: [
    {
      file: `${folder}/shard/release.ts`,
      find: "if (checkpoint.replays.some(",
      replace: "if (checkpoint.replays.slice(0, 0).some(",
    },
  ],
  // Whoever asked for a replay is told so once nothing can take it back.
  settledreplays: [
    { file: `${folder}/dead-letters.ts`, find: 'return state === "replayed";', replace: "return true;" },
  ],
  // What was released is derived as well.
  releasednames: [
    {
      file: `${folder}/shard/derive.ts`,
      find: "const base = unite(released, releasedOf(entry, shard.baseT));",
      replace: "const base = releasedOf(entry, shard.baseT);",
    },
  ],
  // The scan begins at the older of two bases.
  twobases: [
    {
      file: `${folder}/shard/scan.ts`,
      find: "bases?.previous[place.partition]",
      replace: "bases?.newest[place.partition]",
    },
  ],
  // Losses and dead letters are data too.
  alltopics: [
    { file: `${folder}/shard/scan.ts`, find: "format.isOwn(name)", replace: 'format.isOwn(name) && name !== "losses"' },
  ],
  // Own records that hang are aborted.
  hanging: [
    { file: `${folder}/shard/scan.ts`, find: "if (!aborted && waitedMs", replace: "if (waitedMs < 0 && waitedMs" },
  ],
  // After an abort nothing is sent before its markers are settled.
  youngabort: [
    {
      file: `${folder}/shard/term.ts`,
      find: "if (!mustWait) return scan;",
      replace: "if (mustWait || !mustWait) return scan;",
    },
  ],
  // Positions that differ from the derived ones are written at once.
  repair: [
    {
      file: `${folder}/shard/term.ts`,
      find: "lanes: [...derived.dirty]",
      replace: "lanes: [...derived.dirty].slice(0, 0)",
    },
  ],
  // A release looks at the last record of every transaction, not only of the latest.
  everystep: [
    {
      file: `${folder}/shard/release.ts`,
      find: "for (const { offset, t } of entries) want(",
      replace: "for (const { offset, t } of entries.slice(-1)) want(",
    },
  ],
  // A release looks for the newest record of every lane.
  lanerecords: [
    {
      file: `${folder}/shard/release.ts`,
      find: "return [...checkpoint.lanes].every(([key, { t }]) => t <= settledT",
      replace: "return [...checkpoint.lanes].every(([key, { t }]) => t >= 0 || t <= settledT",
    },
  ],
  // A checkpoint waits until all that it is to release is decided.
  decidedentries: [
    { file: `${folder}/shard/release.ts`, find: "if (newest >= stable) return", replace: "if (newest < -1) return" },
  ],
  // The settle time begins again when a leader has changed.
  leaders: [
    {
      file: `${folder}/shard/release.ts`,
      find: ".leaderEpoch !== anchor.leaderEpoch",
      replace: ".leaderEpoch < anchor.leaderEpoch",
    },
    {
      file: `${folder}/shard/release.ts`,
      find: "own.leaderEpoch !== checkpoint.positions.leaderEpoch",
      replace: "own.leaderEpoch < checkpoint.positions.leaderEpoch",
    },
  ],
  // What a broker has acknowledged counts as forwarded only after the settle time.
  settle: [
    {
      file: `${folder}/shard/base-keeper.ts`,
      find: "if (env.monoMs() < checkpoint.takenMs + settleMs)",
      replace: "if (env.monoMs() < checkpoint.takenMs)",
    },
  ],
  // Nothing is committed behind an end that was lost.
  order: [
    {
      file: `${folder}/shard/term.ts`,
      find: "await refuseBehindLoss(site, term, entries);",
      replace: "void refuseBehindLoss;",
    },
  ],
  // What was sent about when a leader changed is looked for before anything younger is sent.
  proven: [{ file: `${folder}/shard/term.ts`, find: "await proveEntries(site, term);", replace: "void proveEntries;" }],
  // A plan made on the positions of an earlier generation is refused.
  stale: [{ file: `${folder}/shard/shard.ts`, find: "if (seen !== generation) throw staleFault();", replace: "" }],
  // A new queue counts as made once its first record cannot be lost.
  newqueue: [
    {
      file: `${folder}/kafka.ts`,
      find: "if (mayBeNew) await untilReleased();",
      replace: "void untilReleased;",
    },
  ],
};
