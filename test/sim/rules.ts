/**
 * The protocol's rules that can be switched off, as source patches: with any of them off, the simulation must find a
 * violation. README.md tells what each history looks like.
 */
import type { Patch } from "../mutants/patch.ts";

export const rules: Readonly<Record<string, readonly Patch[]>> = {
  // Edges of blocks that left the store are kept until their epoch is forwarded.
  edges: [
    {
      file: "agent/store/edges.ts",
      find: "put.run(run, stream, edge.last, edge.first, chainBlob(edge.after), edge.state);",
      replace: "if (run < 0) put.run(run, stream, edge.last, edge.first, chainBlob(edge.after), edge.state);",
    },
  ],
  // Every unsettled lane is asked for, not only those with something to send.
  askall: [
    {
      file: "agent/uplink/asks.ts",
      find: "      const page = lanes\n",
      replace: "      const page = lanes.filter((lane) => lane.tallies[0].blocks > 0)\n",
    },
  ],
  // A journal that may have gone back takes a new id and unites with the queue.
  newid: [
    {
      file: "gateway/journal/open.ts",
      find: "if (why === undefined) {",
      replace: "if (why === undefined || file !== null) {",
    },
    {
      file: "gateway/journal/open.ts",
      find: "journalId: (file as Identity).journalId, generation",
      replace: "...(file as Identity), generation",
    },
    {
      file: "gateway/journal/sqlite.ts",
      find: "if (entry.version > file.reading(version)) {",
      replace: "if (entry.version > Number.MAX_VALUE) {",
    },
  ],
  // A POSITION counts only under the journal id of the session's WELCOME.
  jid: [
    {
      file: "agent/uplink/state.ts",
      find: "if (message.journalId !== state.session.journalId) return onOtherJournal(state, event.nonce, random);",
      replace: "",
    },
  ],
  // A fork keeps only what is forwarded: that an earlier position showed it as journaled proves nothing now.
  latest: [
    {
      file: "agent/store/settle.ts",
      find: "lane.verified = unionOf(lane.verified, judgement.verified);",
      replace: "lane.verified = unionOf(lane.verified, open ? judgement.journaled : judgement.verified);",
    },
  ],
  // An unknown chain equals nothing.
  nullstrict: [
    {
      file: "shared/chain.ts",
      find: "return a !== null && a === b;",
      replace: "return a === null || b === null || a === b;",
    },
    {
      file: "agent/store/judge.ts",
      find: 'if (range.after === null) return "none";',
      replace: 'if (range.after === null) return "agrees";',
    },
  ],
  // In the open epoch a range with an unknown chain is no verdict, not a mismatch.
  tri: [
    {
      file: "agent/store/judge.ts",
      find: 'if (range.after === null) return "none";',
      replace: 'if (range.after === null) return open ? "differs" : "none";',
    },
  ],
  // In the open epoch a pending block that is covered in part is a fork.
  overlapfork: [
    { file: "agent/store/settle.ts", find: "judgement.fork || (open && partly.length > 0)", replace: "judgement.fork" },
  ],
  // The queue keeps the floors; a journal that begins anew takes them over.
  floorq: [
    {
      file: "gateway/journal/reseed.ts",
      find: "for (const floor of queue.floors()) stores.raiseFloor(floor);",
      replace: "",
    },
  ],
  // An epoch that is opened after `expired` has a run above the floor.
  floorjump: [
    {
      file: "agent/store/open-epoch.ts",
      find: "Math.max(latest?.run ?? 0, core.floor) + 1",
      replace: "(latest?.run ?? 0) + 1",
    },
  ],
  // Only runs below HELLO's lowest unsettled run are forgotten.
  pendfloor: [
    {
      file: "gateway/journal/forget.ts",
      find: "const below = Math.min(lowestUnsettledRun, ",
      replace: "const below = Math.min(lowestUnsettledRun + Number.MAX_SAFE_INTEGER, ",
    },
  ],
  // In a closed epoch a range that ends at an own edge with another chain is a fork too. NACK conflict, the second line
  // of defence, is off as well: it would tell as soon as the closed epoch has anything left to send.
  closededge: [
    {
      file: "gateway/journal/dedupe.ts",
      find: 'if (contradicts(journaled, block) || contradicts(forwarded, block)) return { kind: "conflict" };',
      replace: "",
    },
    {
      file: "agent/store/judge.ts",
      find: 'return own === range.after ? "agrees" : "differs";',
      replace: 'return own === range.after ? "agrees" : open ? "differs" : "none";',
    },
  ],
  // Loss records, and what left the store, are named again when their epoch is given up.
  relose: [
    {
      file: "agent/store/again.ts",
      find: "if (bytes !== undefined) {",
      replace: "if (row.codec === 0) {\n    core.blocks.remove(row);\n    return;\n  }\n  if (bytes !== undefined) {",
    },
    {
      file: "agent/store/again.ts",
      find: "appendLoss(core, openLane(core, lane.name), unknownLoss, edge.last - edge.first + 1, true);",
      replace: "",
    },
  ],
};
