/** Slips against I5 (one atomic step into the queue). */
import type { Mutant } from "./mutants.ts";

export const intoTheQueue: readonly Mutant[] = [
  {
    id: "queue-filter-dropped",
    invariant: "I5",
    patches: [
      {
        file: "gateway/forwarder/plan.ts",
        find: "const missing = gaps(forwarded, range.first, range.last);",
        replace: "const missing = gaps([], range.first, range.last);",
      },
      {
        file: "gateway/forwarder/plan.ts",
        find: "spans.reduce((ranges, span) => add(",
        replace: "gaps(forwarded, range.first, range.last).reduce((ranges, span) => add(",
      },
    ],
    test: { file: "test/unit/forwarder.test.ts", name: "I5: after a crash between the queue's commit" },
  },
  {
    id: "journal-settled-before-the-queue-commits",
    invariant: "I5",
    patches: [
      {
        file: "gateway/forwarder/forwarder.ts",
        find: "    if (outcomes.length > 0) {\n",
        replace:
          "    await journal.settle(\n      entries.map((entry) => entry.id),\n      positions,\n    );\n    if (outcomes.length > 0) {\n",
      },
    ],
    test: { file: "test/unit/forwarder.test.ts", name: "doubles nothing, loses nothing, and does not stop ingress" },
  },
  {
    id: "zombie-forwarder-goes-on",
    invariant: "I5",
    patches: [
      {
        file: "gateway/forwarder/forwarder.ts",
        find: "if (error instanceof Fault && !error.retryable) {",
        replace: "if (error instanceof Fault && error.retryable) {",
      },
    ],
    test: { file: "test/unit/forwarder.test.ts", name: "a fenced queue stops the forwarder for good" },
  },
  {
    id: "journal-forgets-before-the-queue",
    invariant: "I5",
    patches: [
      {
        file: "gateway/forwarder/forwarder.ts",
        find:
          "      await silence.during(() => queue.forget(forgetting.floor, forgetting.lanes));\n" +
          "      await journal.forget(forgetting);\n",
        replace:
          "      await journal.forget(forgetting);\n" +
          "      await silence.during(() => queue.forget(forgetting.floor, forgetting.lanes));\n",
      },
    ],
    test: { file: "test/unit/forwarder.test.ts", name: "I8: old epochs are forgotten, first by the queue" },
  },
  {
    id: "lock-shared",
    invariant: "I5",
    patches: [{ file: "shared/lock.ts", find: 'db.exec("BEGIN EXCLUSIVE");', replace: 'db.exec("BEGIN");' }],
    test: { file: "test/unit/queue-recovery.test.ts", name: "a second opening is refused and names the process" },
  },
  {
    id: "queue-not-truncated-after-a-crash",
    invariant: "I5",
    patches: [
      { file: "gateway/queue/segments.ts", find: "ftruncateSync(fd, bytes);", replace: "ftruncateSync(fd, size);" },
    ],
    test: { file: "test/unit/queue-recovery.test.ts", name: "I5: what stands behind the committed length is cut" },
  },
  {
    id: "queue-truncated-to-nothing-after-a-crash",
    invariant: "I5",
    patches: [
      { file: "gateway/queue/segments.ts", find: "ftruncateSync(fd, bytes);", replace: "ftruncateSync(fd, 0);" },
    ],
    test: { file: "test/unit/queue-recovery.test.ts", name: "I5: what stands behind the committed length is cut" },
  },
  {
    id: "queue-lines-not-synced",
    invariant: "I5",
    patches: [
      {
        file: "gateway/queue/file.ts",
        find: "if (end > open.bytes) await syncFile(open.fd);",
        replace: "if (end > options.segmentBytesMax) await syncFile(open.fd);",
      },
    ],
    test: { file: "test/unit/queue-recovery.test.ts", name: "I5: after a sync that failed the file is opened anew" },
  },
  {
    id: "positions-in-a-second-transaction",
    invariant: "I5",
    patches: [
      {
        file: "gateway/queue/file.ts",
        find: "db.commit({ segment: open.segment, bytes: end }, positions, livedMs());",
        replace:
          "db.commit({ segment: open.segment, bytes: end }, [], livedMs());\n        open.bytes = end;\n        db.commit({ segment: open.segment, bytes: end }, positions, livedMs());",
      },
    ],
    test: { file: "test/unit/durable.test.ts", name: "I5: lines and positions of a commit are one step" },
  },
  {
    id: "settled-before-the-release",
    invariant: "I5",
    patches: [
      {
        file: "gateway/forwarder/forwarder.ts",
        find: "unreleased.release(queue.progress().released)",
        replace: "unreleased.release(queue.progress().committed)",
      },
    ],
    test: {
      file: "test/unit/forwarder-release.test.ts",
      name: "I5: what the queue has not released stays in the journal and is not called forwarded",
    },
  },
  {
    id: "lost-tail-not-read-again",
    invariant: "I5",
    patches: [
      {
        file: "gateway/forwarder/forwarder.ts",
        find: "      unreleased.clear();\n      passedId = 0;",
        replace: "      passedId = 0;",
      },
    ],
    test: {
      file: "test/unit/forwarder-release.test.ts",
      name: "I5: a queue that loses its tail gets it again from the journal, and nothing twice",
    },
  },
  {
    id: "settled-by-its-id-alone",
    invariant: "I6",
    patches: [
      {
        file: "gateway/journal/take.ts",
        find: "    if (!covers(row.forwarded, head.range.first, head.range.last)) continue;\n",
        replace: "",
      },
    ],
    test: {
      file: "test/unit/forwarder-release.test.ts",
      name: "I6: settling never takes an entry that the positions do not cover, whoever has its id now",
    },
  },
  {
    id: "kafka-positions-believed",
    invariant: "I5",
    patches: [
      {
        file: "gateway/queue/kafka/shard/derive.ts",
        find: "unite(found, isVerifiable ? base : entry.ranges);",
        replace: "found.lanes().length < 0 || isVerifiable ? entry.ranges : [];",
      },
    ],
    test: {
      file: "test/sim/kafka/histories.test.ts",
      name: "I4, I5: random histories of the Kafka queue end without a hole, a double or anything stuck",
    },
  },
  {
    id: "kafka-released-unsettled",
    invariant: "I5",
    patches: [
      {
        file: "gateway/queue/kafka/shard/base-keeper.ts",
        find: "if (env.monoMs() < checkpoint.takenMs + settleMs)",
        replace: "if (env.monoMs() < checkpoint.takenMs)",
      },
    ],
    test: {
      file: "test/sim/kafka/histories.test.ts",
      name: "I4, I5: random histories of the Kafka queue end without a hole, a double or anything stuck",
    },
  },
  {
    id: "standby-held-sent",
    invariant: "I5",
    patches: [
      {
        file: "gateway/queue/standby/standby.ts",
        find: "posture.held().get(laneKey(lane))?.spans ?? [];",
        replace: "[];",
      },
    ],
    test: {
      file: "test/sim/kafka/standby-histories.test.ts",
      name: "I5: random histories of two clusters end with every reading on one of them, once",
    },
  },
  {
    id: "standby-held-settled",
    invariant: "I5",
    patches: [
      {
        file: "gateway/forwarder/plan.ts",
        find: "if (!missing.some(({ first, last }) => touches(held, first, last))) whole.push(entry);",
        replace: "whole.push(entry);",
      },
    ],
    test: {
      file: "test/unit/forwarder-plan.test.ts",
      name: "I5: a plan writes nothing that is held, and calls no entry whole of which a part is",
    },
  },
];
