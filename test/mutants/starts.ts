/** Slips against I10 (the process always starts). */
import type { Mutant } from "./mutants.ts";

export const starts: readonly Mutant[] = [
  {
    id: "log-not-looked-at",
    invariant: "I10",
    patches: [
      { file: "agent/store/file.ts", find: "if (scan.losesCommits) why =", replace: "if (scan.frames === 0) why =" },
    ],
    test: { file: "test/unit/takeover.test.ts", name: "I6, I10: whatever bit flips in a log of 120 commits" },
  },
  {
    id: "log-not-mended-for-the-take-over",
    invariant: "I10",
    patches: [
      {
        file: "agent/store/file.ts",
        find: "  closeSync(main);\n  mendWal(",
        replace: "  closeSync(main);\n  if (!hasPage) mendWal(",
      },
    ],
    test: { file: "test/unit/takeover.test.ts", name: "I6, I10: whatever bit flips in a log of 120 commits" },
  },
  {
    id: "journal-log-not-looked-at",
    invariant: "I10",
    patches: [
      {
        file: "gateway/journal/place.ts",
        find: "    if (!losesCommits) return;\n",
        replace: "    if (!losesCommits || firstBad < frames) return;\n",
      },
    ],
    test: { file: "test/unit/journal-salvage.test.ts", name: "I3, I4, I10: a bit flip anywhere in the log" },
  },
  {
    id: "journal-log-not-mended-for-the-salvage",
    invariant: "I10",
    patches: [
      {
        file: "gateway/journal/salvage.ts",
        find: "    mendWal(",
        replace: "    if (!existsSync(mended)) mendWal(",
      },
    ],
    test: { file: "test/unit/journal-salvage.test.ts", name: "I3, I4, I10: a bit flip anywhere in the log" },
  },
  {
    id: "unreadable-store-ends-the-start",
    invariant: "I10",
    patches: [
      {
        file: "agent/store/file.ts",
        find: "    if (error instanceof Fault || lacksRoom(options.folder, error)) throw error;\n",
        replace: "    if (error instanceof Fault || isDamage(error)) throw error;\n",
      },
    ],
    test: { file: "test/unit/takeover.test.ts", name: "I10: a file that is no database is put aside whole" },
  },
  {
    id: "unreadable-store-deleted",
    invariant: "I10",
    patches: [
      {
        file: "agent/store/file.ts",
        find: "    const kept = quarantine.keepStore(path, stampOf(env));\n",
        replace: '    const kept = "nowhere";\n    removeStore(path);\n',
      },
    ],
    test: { file: "test/unit/takeover.test.ts", name: "I10: a file that is no database is put aside whole" },
  },
  {
    id: "damaged-block-not-quarantined",
    invariant: "I10",
    patches: [
      {
        file: "agent/store/quarantine.ts",
        find: 'if (bytes === undefined || names("block-").length >= blockFilesMax) return;',
        replace: 'if (bytes === undefined || names("block-").length < blockFilesMax) return;',
      },
    ],
    test: { file: "test/unit/takeover.test.ts", name: "I6: the loss records of a take-over carry the chains" },
  },
  {
    id: "damaged-block-believed",
    invariant: "I10",
    patches: [
      {
        file: "agent/store/damage.ts",
        find: "if (bytes !== undefined && crcHolds({ crc: row.crc, bytes })) return bytes;",
        replace: "if (bytes !== undefined) return bytes;",
      },
    ],
    test: {
      file: "test/unit/uplink-sending.test.ts",
      name: "I6, I10: a block that turns out to be damaged when it is sent",
    },
  },
  {
    id: "damaged-head-taken-for-a-newer-version",
    invariant: "I10",
    patches: [
      {
        file: "agent/store/schema.ts",
        find: 'if (typeof format !== "number" || typeof storeId !== "string")',
        replace: 'if (typeof storeId !== "string")',
      },
    ],
    test: { file: "test/unit/takeover.test.ts", name: "I10: a damaged head is damage, not a newer version" },
  },
  {
    id: "unreadable-journal-ends-the-start",
    invariant: "I10",
    patches: [
      {
        file: "gateway/journal/open.ts",
        find: 'const isDamaged = isCorrupt(error) || (error instanceof Fault && error.code === "damaged");',
        replace: 'const isDamaged = error instanceof Fault && error.code === "damaged";',
      },
    ],
    test: { file: "test/unit/journal-failures.test.ts", name: "I10: a file that is no database is set aside" },
  },
  {
    id: "ballast-kept-on-a-full-disk",
    invariant: "I10",
    patches: [
      {
        file: "agent/store/file.ts",
        find: '    rmSync(join(folder, "ballast"), { force: true });\n',
        replace: "",
      },
    ],
    test: { file: "test/unit/store-file.test.ts", name: "I10: a disk without room keeps a store from opening" },
  },
];
