/** Slips against I1 (accepted means durable) and I3 (journaled means durable). */
import type { Mutant } from "./mutants.ts";

export const durable: readonly Mutant[] = [
  {
    id: "intake-acknowledges-before-commit",
    invariant: "I1",
    patches: [
      {
        file: "agent/intake.ts",
        find: "waiting.push({ request, readings: size, resolve, reject });",
        replace: "waiting.push({ request, readings: size, resolve, reject });\n        resolve();",
      },
    ],
    test: { file: "test/unit/intake.test.ts", name: "I1: a request resolves only after its commit" },
  },
  {
    id: "intake-acknowledges-a-failed-commit",
    invariant: "I1",
    patches: [
      {
        file: "agent/intake.ts",
        find: "for (const one of group) one.reject(isFault ? error : unavailable(error));\n      if (!isFault) options.onFailed(error);",
        replace:
          "if (isFault) for (const one of group) one.reject(error);\n      else options.onFailed(unavailable(error));\n      for (const one of group) one.resolve();",
      },
    ],
    test: { file: "test/unit/intake.test.ts", name: "I10: a store that fails is told to its owner" },
  },
  {
    id: "store-goes-on-after-a-failed-sync",
    invariant: "I1",
    patches: [{ file: "agent/store/core.ts", find: "if (isIoError(error)) ioFailure = error;", replace: "" }],
    test: { file: "test/unit/durable.test.ts", name: "I1: a store whose device failed takes nothing more" },
  },
  {
    id: "http-answers-before-commit",
    invariant: "I1",
    patches: [
      {
        file: "agent/inputs/http.ts",
        find: "if (readings.length > 0) await intake.append(",
        replace: "if (readings.length > 0) void intake.append(",
      },
    ],
    test: { file: "test/unit/http-input.test.ts", name: "answers only after the commit (I1)" },
  },
  {
    id: "cursor-moved-before-the-transaction",
    invariant: "I1",
    patches: [
      {
        file: "agent/store/store.ts",
        find: "    core.transact(() => {\n      for (const { stream, blocks } of encoded) {",
        replace:
          "    cursors.move(moves);\n    core.transact(() => {\n      for (const { stream, blocks } of encoded) {",
      },
    ],
    test: { file: "test/unit/store-append.test.ts", name: "I1: a request that cannot be stored is refused whole" },
  },
  {
    id: "cursor-moved-after-the-transaction",
    invariant: "I1",
    patches: [
      {
        file: "agent/store/store.ts",
        find: '      cursors.move(moves);\n      crashPoint("append before commit");\n    });',
        replace: '      crashPoint("append before commit");\n    });\n    cursors.move(moves);',
      },
    ],
    test: { file: "test/unit/durable.test.ts", name: "I1: readings and the cursor that covers them are one step" },
  },
  {
    id: "tail-moves-its-cursor-in-a-second-request",
    invariant: "I1",
    patches: [
      {
        file: "agent/inputs/tail.ts",
        find: "        await intake.append(request);\n",
        replace:
          "        await intake.append({ portions: request.portions });\n        await intake.append({ portions: [], cursors: request.cursors ?? [] });\n",
      },
    ],
    test: { file: "test/unit/tail-input.test.ts", name: "moves the cursor in the transaction of the lines (I1)" },
  },
  {
    id: "synchronous-weakened",
    invariant: "I1",
    patches: [
      {
        file: "shared/sqlite.ts",
        find: 'db.pragma("synchronous=FULL");',
        replace: 'db.pragma("synchronous=NORMAL");',
      },
    ],
    test: { file: "test/unit/durable.test.ts", name: "I1, I3: every commit of every file syncs" },
  },
  {
    id: "synchronous-only-for-new-files",
    invariant: "I3",
    patches: [
      {
        file: "shared/sqlite.ts",
        find: '  db.pragma("journal_mode=WAL");\n  db.pragma("synchronous=FULL");',
        replace:
          '  if (db.pragma("journal_mode", { simple: true }) === "wal") return;\n  db.pragma("journal_mode=WAL");\n  db.pragma("synchronous=FULL");',
      },
    ],
    test: { file: "test/unit/durable.test.ts", name: "I1, I3: every commit of every file syncs" },
  },
  {
    id: "gateway-answers-before-the-journal-commits",
    invariant: "I3",
    patches: [
      {
        file: "gateway/journal/group-commit.ts",
        find: "const values = group.map((work) => work.act());",
        replace:
          "const values = group.map((work) => work.act());\n      group.forEach((work, at) => work.resolve(values[at] as never));",
      },
    ],
    test: { file: "test/unit/journal-failures.test.ts", name: "I3: a disk that fails again ends the journal" },
  },
  {
    id: "commit-repeated-on-the-handle-whose-fsync-failed",
    invariant: "I3",
    patches: [{ file: "gateway/journal/open.ts", find: "      reopen(open);\n", replace: "" }],
    test: {
      file: "test/unit/journal-failures.test.ts",
      name: "I3: after an fsync that failed the file is opened anew",
    },
  },
  {
    id: "positions-not-written-with-the-commit",
    invariant: "I3",
    patches: [
      {
        file: "gateway/journal/tables.ts",
        find: '      lanes.flush();\n      db.exec("COMMIT");',
        replace: '      db.exec("COMMIT");\n      lanes.flush();',
      },
    ],
    test: { file: "test/unit/durable.test.ts", name: "I3: what a journal answers stands in what it committed" },
  },
  {
    id: "restored-journal-keeps-its-id",
    invariant: "I3",
    patches: [
      {
        file: "gateway/journal/identity.ts",
        find: "    file.generation < copy.generation ||\n",
        replace: "",
      },
    ],
    test: { file: "test/unit/journal-failures.test.ts", name: "a journal whose file was put back" },
  },
  {
    id: "journal-behind-the-queue-keeps-its-id",
    invariant: "I3",
    patches: [
      {
        file: "gateway/journal/open.ts",
        find: "if (journalBehind) return",
        replace: "if (journalBehind && queueBehind) return",
      },
    ],
    test: {
      file: "test/contract/journal-sqlite.test.ts",
      name: "a journal that lacks what the queue has takes a new id and the queue's positions",
    },
  },
];
