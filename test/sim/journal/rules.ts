/** Rules of the replicated journal that can be switched off: with any of them off the histories must find a violation. */
import type { Patch } from "../../mutants/patch.ts";

const folder = "gateway/journal/jetstream";

export const journalRules: Readonly<Record<string, readonly Patch[]>> = {
  // Whoever was overtaken, or does not know, forgets what it knew of the lane.
  nounion: [
    {
      file: `${folder}/lane-writer.ts`,
      find: "    known.delete(laneKey(lane));\n    const written = await stream.publish",
      replace: "    const written = await stream.publish",
    },
  ],
  // A gateway that stored a first message compares it with the archive before it tells of it.
  post0: [
    {
      file: `${folder}/lane-writer.ts`,
      find: 'if (written.outcome !== "stored" || found.seq === 0) return undefined;\n    return { state: stateOf(lane, { version: written.seq, page: next }), refusals };',
      replace:
        'if (written.outcome !== "stored") return undefined;\n    return { state: stateOf(lane, { version: written.seq, page: next }), refusals };',
    },
  ],
  // So does whoever reads one.
  prev0: [{ file: `${folder}/position-reader.ts`, find: "message.prev > 0 && ", replace: "" }],
  // What it lacks of the archive is united with it.
  united: [
    {
      file: `${folder}/position-reader.ts`,
      find: "return await united(lane, newest.seq, message, past.record.page);",
      replace: "return knownBy(newest.seq, message);",
    },
  ],
  // What a read of the archive decides is confirmed by a write.
  confirm: [
    { file: `${folder}/position-reader.ts`, find: "if (isNewest.includes(false)) return undefined;", replace: "" },
  ],
  // Nothing is cut but behind the very message that was read.
  exact: [
    { file: `${folder}/lane-marker.ts`, find: "if (newest.seq !== readSeq) {", replace: "if (newest.seq < readSeq) {" },
  ],
  // What is marked as forwarded stays so.
  growonly: [
    {
      file: `${folder}/lane-marker.ts`,
      find: "const known = isUnknown ? [] : base.forwarded;",
      replace: "const known: Ranges = [];",
    },
  ],
  // A full epoch stands in the archive before its messages go.
  archivefirst: [
    {
      file: `${folder}/lane-marker.ts`,
      find: "    if (known === null || known.version < version) {\n",
      replace: "    await stream.purge(subject, version + 1);\n    if (known === null || known.version < version) {\n",
    },
  ],
  // The newest message of a lane is never purged.
  keepnewest: [
    {
      file: `${folder}/lane-marker.ts`,
      find: "await stream.purge(subject, seq);",
      replace: "await stream.purge(subject, seq + 1);",
    },
  ],
};
