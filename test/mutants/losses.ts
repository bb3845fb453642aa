/** Slips against I6 (nothing is dropped without a name). */
import type { Mutant } from "./mutants.ts";

export const losses: readonly Mutant[] = [
  {
    id: "dropped-without-a-loss-record",
    invariant: "I6",
    patches: [
      {
        file: "agent/store/damage.ts",
        find: "    insertLoss(core, lane, [...neighbourThatGrows",
        replace: '    if (reason !== "quota") insertLoss(core, lane, [...neighbourThatGrows',
      },
    ],
    test: { file: "test/unit/evict.test.ts", name: "I2, I6: forwarded blocks go first" },
  },
  {
    id: "damaged-without-a-loss-record",
    invariant: "I6",
    patches: [
      {
        file: "agent/store/damage.ts",
        find: "    insertLoss(core, lane, [...neighbourThatGrows",
        replace: '    if (reason !== "corrupt") insertLoss(core, lane, [...neighbourThatGrows',
      },
    ],
    test: {
      file: "test/unit/uplink-sending.test.ts",
      name: "I6, I10: a block that turns out to be damaged when it is sent",
    },
  },
  {
    id: "loss-with-a-wrong-reason",
    invariant: "I6",
    patches: [
      {
        file: "agent/store/evict.ts",
        find: 'removeRows(core, lane, run, "quota", run.some(core.wasSent));',
        replace: 'removeRows(core, lane, run, "thinned", run.some(core.wasSent));',
      },
    ],
    test: { file: "test/unit/evict.test.ts", name: "I2, I6: forwarded blocks go first" },
  },
  {
    id: "loss-one-seq-short",
    invariant: "I6",
    patches: [
      {
        file: "agent/store/damage.ts",
        find: "count: lastOf(tail) - head.first + 1,",
        replace: "count: lastOf(tail) - head.first,",
      },
    ],
    test: { file: "test/unit/evict.test.ts", name: "I2, I6: forwarded blocks go first" },
  },
  {
    id: "loss-with-the-times-of-its-first-block",
    invariant: "I6",
    patches: [
      {
        file: "agent/store/damage.ts",
        find: "const fromUs = bound(rows, (row) => row.minUs, Math.min);",
        replace: "const fromUs = head.minUs;",
      },
    ],
    test: { file: "test/unit/evict.test.ts", name: "I6: a loss record that grows keeps the chain" },
  },
  {
    id: "loss-that-was-sent-grows",
    invariant: "I6",
    patches: [
      {
        file: "agent/store/damage.ts",
        find: "if (core.wasSent(neighbour) || neighbour.repeated !== head.repeated) return [];",
        replace: "if (neighbour.repeated !== head.repeated) return [];",
      },
    ],
    test: { file: "test/unit/evict.test.ts", name: "I6: a loss record that was sent does not grow" },
  },
  {
    id: "full-journal-takes-and-cannot-keep",
    invariant: "I6",
    patches: [
      {
        file: "gateway/journal/sqlite.ts",
        find: "if (isDiskFull() || sizeBytes > roomLeftBytes) return",
        replace: "if (isDiskFull() || sizeBytes > quotaBytes) return",
      },
    ],
    test: { file: "test/contract/journal-sqlite.test.ts", name: "I6: a full journal refuses, drops nothing" },
  },
  {
    id: "seqs-that-nobody-gave-out-declared-lost",
    invariant: "I6",
    patches: [
      {
        file: "gateway/journal/take.ts",
        find: "const known = [{ first: knownEnd(row) + 1, last",
        replace: "const known = [{ first: knownEnd(row) + 2, last",
      },
    ],
    test: { file: "test/contract/journal-sqlite.test.ts", name: "I6: only open seqs that were given out" },
  },
  {
    id: "damaged-entry-written-instead-of-cut",
    invariant: "I6",
    patches: [
      {
        file: "gateway/forwarder/forwarder.ts",
        find: "if (crcHolds(entry.block)) good.push(entry);",
        replace: "if (crcHolds(entry.block) || entry.id > 0) good.push(entry);",
      },
    ],
    test: { file: "test/unit/forwarder.test.ts", name: "I6: a block that was damaged in the journal is cut" },
  },
  {
    id: "take-over-names-no-newest-readings",
    invariant: "I6",
    patches: [
      {
        file: "agent/store/lost-names.ts",
        find: "lane.last = Math.max(lane.last, toldLast);",
        replace: "lane.last = Math.min(lane.last, toldLast);",
      },
    ],
    test: { file: "test/unit/takeover.test.ts", name: "I6: newest readings that are gone are named" },
  },
];
