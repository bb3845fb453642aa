/** Slips against I4 (each seq once). */
import type { Mutant } from "./mutants.ts";

export const once: readonly Mutant[] = [
  {
    id: "dedupe-forgotten",
    invariant: "I4",
    patches: [
      {
        file: "gateway/journal/dedupe.ts",
        find: "  let ranges = journaled;",
        replace: "  let ranges: Ranges = [];",
      },
    ],
    test: { file: "test/contract/journal-sqlite.test.ts", name: "I4: a batch is taken once, whatever is resent" },
  },
  {
    id: "dedupe-forgotten-within-a-batch",
    invariant: "I4",
    patches: [
      {
        file: "gateway/journal/dedupe.ts",
        find: "const verdict = judge(ranges, forwarded, block, block.codec === codecLoss);",
        replace: "const verdict = judge(journaled, forwarded, block, block.codec === codecLoss);",
      },
    ],
    test: {
      file: "test/contract/journal-sqlite.test.ts",
      name: "I4: reordered and repeated batches give each seq once, in any order",
    },
  },
  {
    id: "journaled-chains-ignored",
    invariant: "I4",
    patches: [
      {
        file: "gateway/journal/dedupe.ts",
        find: "if (contradicts(journaled, block) || contradicts(forwarded, block)) return",
        replace: "if (contradicts(forwarded, block)) return",
      },
    ],
    test: { file: "test/contract/journal-sqlite.test.ts", name: "I4: another chain at a known edge is refused" },
  },
  {
    id: "forwarded-chains-ignored",
    invariant: "I4",
    patches: [
      {
        file: "gateway/journal/dedupe.ts",
        find: "if (contradicts(journaled, block) || contradicts(forwarded, block)) return",
        replace: "if (contradicts(journaled, block) || (isLoss && contradicts(forwarded, block))) return",
      },
    ],
    test: { file: "test/unit/dedupe.test.ts", name: "I4: a conflict is found exactly where a known chain" },
  },
  {
    id: "chain-before-a-block-ignored",
    invariant: "I4",
    patches: [
      {
        file: "gateway/journal/dedupe.ts",
        find: "(range) => differs(block.first - 1, block.before, range) || differs(block.last, block.after, range),",
        replace: "(range) => differs(block.last, block.after, range),",
      },
    ],
    test: { file: "test/unit/dedupe.test.ts", name: "I4: a conflict is found exactly where a known chain" },
  },
  {
    id: "agent-ignores-a-foreign-chain",
    invariant: "I4",
    patches: [
      {
        file: "agent/store/judge.ts",
        find: 'return own === range.after ? "agrees" : "differs";',
        replace: 'return "agrees";',
      },
    ],
    test: { file: "test/unit/store-position.test.ts", name: "a fork keeps what is verified as forwarded" },
  },
  {
    id: "unknown-chains-taken-for-equal",
    invariant: "I4",
    patches: [{ file: "shared/chain.ts", find: "return a !== null && a === b;", replace: "return a === b;" }],
    test: { file: "test/unit/chain.test.ts", name: "an unknown chain agrees with nothing" },
  },
  {
    id: "ranges-joined-over-differing-chains",
    invariant: "I4",
    patches: [
      {
        file: "shared/ranges.ts",
        find: "left.last + 1 === added.first && chainsAgree(left.after, added.before);",
        replace: "left.last + 1 === added.first;",
      },
    ],
    test: { file: "test/unit/dedupe.test.ts", name: "I4: ranges join only where the chains at the seam" },
  },
  {
    id: "loss-record-not-trimmed",
    invariant: "I4",
    patches: [
      {
        file: "gateway/journal/dedupe.ts",
        find: "if (count === block.count) return block;",
        replace: "if (count <= block.count) return block;",
      },
    ],
    test: { file: "test/contract/journal-sqlite.test.ts", name: "I4: a loss record fills only what is open" },
  },
  {
    id: "block-journaled-in-part-is-taken",
    invariant: "I4",
    patches: [
      {
        file: "gateway/journal/dedupe.ts",
        find: "if (!isLoss && (gap.first !== block.first || gap.last !== block.last))",
        replace: "if (!isLoss && gap.first !== block.first)",
      },
    ],
    test: { file: "test/unit/dedupe.test.ts", name: "I4: whatever is sent in whatever order, each seq is taken once" },
  },
  {
    id: "recut-invents-a-chain",
    invariant: "I4",
    patches: [
      {
        file: "agent/store/recut.ts",
        find: "after: last === lastOf(row) ? row.after : null,",
        replace: "after: row.after,",
      },
    ],
    test: { file: "test/unit/store-position.test.ts", name: "in a closed one it is cut, with null chains" },
  },
  {
    id: "fork-keeps-what-was-only-journaled",
    invariant: "I4",
    patches: [
      {
        file: "agent/store/judge.ts",
        find: "const verified = forwarded.filter(",
        replace: "const verified = journaled.filter(",
      },
    ],
    test: { file: "test/unit/judge.test.ts", name: "only what ends in agreement is this store's own for ever" },
  },
  {
    id: "sent-blocks-merged",
    invariant: "I4",
    patches: [
      {
        file: "agent/store/merge.ts",
        find: "chooseRun(rows, core.wasSent, ",
        replace: "chooseRun(rows, () => false, ",
      },
    ],
    test: { file: "test/unit/merge.test.ts", name: "a merged block holds the same readings" },
  },
  {
    id: "sent-blocks-not-noted",
    invariant: "I4",
    patches: [{ file: "agent/uplink/sender.ts", find: "      store.noteSent(row);\n", replace: "" }],
    test: { file: "test/unit/uplink-sending.test.ts", name: "I4: blocks that were sent keep their ends" },
  },
  {
    id: "floor-ignored-by-the-journal",
    invariant: "I4",
    patches: [{ file: "gateway/journal/take.ts", find: "if (run > floor || ", replace: "if (run >= floor || " }],
    test: {
      file: "test/contract/journal-sqlite.test.ts",
      name: "a new journal starts from the queue's positions and floors",
    },
  },
  {
    id: "floor-ignored-by-the-agent",
    invariant: "I4",
    patches: [
      {
        file: "agent/store/open-epoch.ts",
        find: "Math.max(latest?.run ?? 0, core.floor) + 1",
        replace: "(latest?.run ?? 0) + 1",
      },
    ],
    test: { file: "test/unit/store-position.test.ts", name: "appended again above the floor" },
  },
];
