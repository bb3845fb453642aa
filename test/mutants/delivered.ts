/** Slips against I2 (reading never deletes). */
import type { Mutant } from "./mutants.ts";

export const delivered: readonly Mutant[] = [
  {
    id: "journaled-blocks-kept-while-waiting-ones-are-dropped",
    invariant: "I2",
    patches: [
      {
        file: "agent/store/evict.ts",
        find: "if (lane.tallies[state].blocks > 0) freed +=",
        replace: "if (state !== journaled && lane.tallies[state].blocks > 0) freed +=",
      },
    ],
    test: { file: "test/unit/evict.test.ts", name: "I2, I6: forwarded blocks go first" },
  },
  {
    id: "journaled-blocks-evicted-before-forwarded-ones",
    invariant: "I2",
    patches: [
      {
        file: "agent/store/evict.ts",
        find: "for (const state of [forwarded, journaled] as const) {",
        replace: "for (const state of [journaled, forwarded] as const) {",
      },
    ],
    test: { file: "test/unit/evict.test.ts", name: "I2, I6: forwarded blocks go first" },
  },
  {
    id: "blocks-in-flight-dropped",
    invariant: "I2",
    patches: [
      {
        file: "agent/store/store.ts",
        find: "Math.max(needed - room, evictStepBytes), stream, inFlight);",
        replace: "Math.max(needed - room, evictStepBytes), stream, () => false);",
      },
    ],
    test: { file: "test/unit/evict.test.ts", name: "I2: blocks in flight are not dropped" },
  },
  {
    id: "position-believed-without-an-edge",
    invariant: "I2",
    patches: [
      {
        file: "agent/store/judge.ts",
        find: 'journaled.filter((_, i) => verdicts[i] === "agrees") : journaled;',
        replace: 'journaled.filter((_, i) => verdicts[i] !== "differs") : journaled;',
      },
    ],
    test: { file: "test/unit/judge.test.ts", name: "I2: in the open epoch only ranges whose end agrees count" },
  },
  {
    id: "what-a-newer-position-lacks-stays-delivered",
    invariant: "I2",
    patches: [
      { file: "agent/store/settle.ts", find: "    ...beyond(lane.journaled, now.journaled),\n", replace: "" },
      { file: "agent/store/settle.ts", find: "    ...beyond(lane.forwarded, now.forwarded),\n", replace: "" },
    ],
    test: { file: "test/unit/store-position.test.ts", name: "pending again where a newer position lacks it" },
  },
  {
    id: "evicted-block-leaves-no-edge",
    invariant: "I2",
    patches: [
      {
        file: "agent/store/evict.ts",
        find: "      core.edges.put(lane.run, lane.stream, { first: row.first, last: lastOf(row), after: row.after, state });\n",
        replace: "",
      },
    ],
    test: { file: "test/unit/store-position.test.ts", name: "what was evicted and a journal has lost is gone" },
  },
  {
    id: "position-of-an-earlier-session-believed",
    invariant: "I2",
    patches: [
      {
        file: "agent/uplink/state.ts",
        find: "  if (message.nonce !== state.nonce) return stay(state);\n",
        replace: "",
      },
    ],
    test: { file: "test/unit/uplink-sending.test.ts", name: "I2: a batch is delivered only by a position" },
  },
  {
    id: "older-position-believed",
    invariant: "I2",
    patches: [
      {
        file: "agent/store/settle.ts",
        find: '  if (lane.journalId === position.journalId && position.version < lane.version) return "stale";\n',
        replace: "",
      },
    ],
    test: { file: "test/unit/store-position.test.ts", name: "an older version is stale under the same journal id" },
  },
];
