import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import fc from "fast-check";
import type { Store } from "../../agent/store/store.ts";
import { gatherColumns } from "../../shared/block/gather.ts";
import {
  append,
  appendLarge,
  noise,
  rowsOf,
  storeIn,
  tempFolder,
  theLane,
  upTo,
  wallUs,
} from "../fakes/agent-store.ts";

const walHeaderBytes = 32;

/** The folder of a store as a power cut leaves it, filled by `fill`. */
function crashed(t: TestContext, fill: (store: Store) => void): string {
  const folder = tempFolder(t);
  const { store, file } = storeIn(join(folder, "live"));
  fill(store);
  cpSync(join(folder, "live"), join(folder, "cut"), { recursive: true });
  file.close();
  rmSync(join(folder, "cut", "store.db-shm"), { force: true });
  return join(folder, "cut");
}

/** Appends 300 readings whose block is too large to lie in its row. */
function appendScattered(store: Store, from: number): void {
  const bytes = noise(300 * 4, from);
  const readings = upTo(from, 300).map((n, i) => ({
    name: "n",
    timeUs: wallUs + n,
    value: bytes.slice(i * 4, i * 4 + 4),
  }));
  store.append([{ stream: "telemetry", columns: gatherColumns(readings) }], []);
}

interface Found {
  readonly values: Set<number>;
  /** Seqs named lost. */
  readonly lost: number;
  /** Values that stand twice or were never appended. */
  readonly invented: number;
  readonly recovery: string | null;
}

function findAll(folder: string, appended: number): Found {
  const { store, file } = storeIn(folder);
  const values = new Set<number>();
  let lost = 0;
  let invented = 0;
  for (const lane of store.lanes()) {
    for (const row of rowsOf(store, lane)) {
      if (row.values === "lost") lost += row.last - row.first + 1;
      else {
        for (const value of row.values as number[]) {
          if (values.has(value) || value >= appended) invented++;
          values.add(value);
        }
      }
    }
  }
  file.close();
  return { values, lost, invented, recovery: file.recovery };
}

void test("I6, I10: whatever bit flips in a log of 120 commits, each acknowledged reading is there or named lost", (t) => {
  let appended = 0;
  const folder = crashed(t, (store) => {
    for (let i = 0; i < 120; i++) {
      const count = 1 + (i % 7) * (i % 3 === 0 ? 60 : 1);
      append(store, upTo(appended, count), i % 5 === 0 ? "alarm" : "telemetry");
      appended += count;
      if (i === 60) while (store.maintain());
    }
  });
  const wal = readFileSync(join(folder, "store.db-wal"));
  const trial = join(folder, "..", "trial");
  const flip = fc.tuple(fc.integer({ min: walHeaderBytes, max: wal.length - 1 }), fc.nat(7));
  fc.assert(
    fc.property(flip, ([at, bit]) => {
      cpSync(folder, trial, { recursive: true });
      const flipped = Buffer.from(wal);
      flipped[at] = (flipped[at] as number) ^ (1 << bit);
      writeFileSync(join(trial, "store.db-wal"), flipped);
      const { values, lost, invented, recovery } = findAll(trial, appended);
      rmSync(trial, { recursive: true });
      assert.equal(invented, 0);
      assert.equal(values.size + lost, appended, `${recovery}`);
      assert.ok(lost <= 400, "one flipped bit costs one block");
    }),
    { numRuns: 20, seed: 20 },
  );
});

void test("I10: a flipped bit in the newest copy of the page that names the tables hides nothing", (t) => {
  const folder = crashed(t, (store) => {
    for (let i = 0; i < 30; i++) appendLarge(store, i);
    append(store, [1, 2]);
  });
  const path = join(folder, "store.db-wal");
  const wal = readFileSync(path);
  const frameBytes = 4096 + 24;
  let at = 0;
  for (let frame = walHeaderBytes; frame + frameBytes <= wal.length; frame += frameBytes) {
    if (wal.readUInt32BE(frame) === 1) at = frame;
  }
  // The names stand at the end of the page.
  wal.write("CREATE TUBLE", wal.indexOf("CREATE TABLE", at + 24));
  writeFileSync(path, wal);
  const { store, file } = storeIn(folder);
  assert.match(String(file.recovery), /taken over/);
  assert.equal(theLane(store).last, 32);
  assert.equal(store.usage().losses.size, 0);
  file.close();
});

void test("I6: the loss records of a take-over carry the chains of their neighbours, so that ranges join over them", (t) => {
  const folder = crashed(t, (store) => {
    for (let i = 0; i < 5; i++) appendScattered(store, i * 300);
  });
  const db = new Database(join(folder, "store.db"));
  const body = db
    .prepare("SELECT id, bytes FROM body WHERE id = (SELECT body FROM block ORDER BY first LIMIT 1 OFFSET 2)")
    .get() as {
    id: number;
    bytes: Buffer;
  };
  body.bytes[10] = (body.bytes[10] as number) ^ 4;
  db.prepare("UPDATE body SET bytes=? WHERE id=?").run(body.bytes, body.id);
  db.close();
  writeFileSync(join(folder, "store.db.damaged"), "a test says so");
  const { store, file } = storeIn(folder);
  const rows = store.page(theLane(store), 1);
  assert.deepEqual(
    rows.map(({ first, count, codec }) => [first, count, codec > 0]),
    [
      [1, 300, true],
      [301, 300, true],
      [601, 300, false],
      [901, 300, true],
      [1201, 300, true],
    ],
  );
  for (let i = 1; i < rows.length; i++) assert.equal(rows[i]?.before, rows[i - 1]?.after);
  assert.ok(rows.every((row) => row.before !== null && row.after !== null));
  assert.equal(existsSync(join(folder, "store.db.damaged")), false, "the next start finds nothing to do");
  assert.deepEqual([...store.usage().losses], [["corrupt", 300]]);
  assert.equal(
    readdirSync(join(folder, "quarantine")).some((name) => name.startsWith("block-")),
    true,
  );
  file.close();
  assert.equal(storeIn(folder).file.recovery, null);
});

void test("I6: newest readings that are gone are named from the successor's record, or from the row of a damaged block", (t) => {
  const folder = tempFolder(t);
  const first = storeIn(folder);
  append(first.store, [1]);
  append(first.store, [2, 3]);
  first.file.close();
  const second = storeIn(folder);
  append(second.store, [4]);
  append(second.store, [5, 6, 7]);
  second.file.close();
  const db = new Database(join(folder, "store.db"));
  db.exec("DELETE FROM block WHERE run=1 AND first=2; UPDATE block SET bytes = zeroblob(20) WHERE run=2 AND first=2");
  db.close();
  writeFileSync(join(folder, "store.db.damaged"), "a test says so");
  const { store, file } = storeIn(folder);
  assert.deepEqual(
    store.lanes().map((lane) => rowsOf(store, lane).map(({ first: from, last, values }) => [from, last, values])),
    [
      [
        [1, 1, [1]],
        [2, 3, "lost"],
      ],
      [
        [1, 1, [4]],
        [2, 4, "lost"],
      ],
    ],
  );
  file.close();
});

void test("I10: a page of junk in the middle of the file costs the blocks on it, and the agent starts", (t) => {
  const folder = crashed(t, (store) => {
    for (let i = 0; i < 60; i++) appendLarge(store, i, i % 2 === 0 ? "telemetry" : "alarm");
  });
  new Database(join(folder, "store.db")).close();
  const file = join(folder, "store.db");
  const bytes = readFileSync(file);
  bytes.fill(0x5a, 200 * 4096, 201 * 4096);
  writeFileSync(file, bytes);
  writeFileSync(join(folder, "store.db.damaged"), "a test says so");
  const { store, file: opened } = storeIn(folder);
  let readings = 0;
  let lost = 0;
  for (const lane of store.lanes()) {
    for (const row of rowsOf(store, lane)) {
      if (row.values === "lost") lost++;
      else readings++;
    }
  }
  assert.equal(readings + lost, 60);
  assert.ok(lost >= 1 && lost <= 2, `${lost} lost`);
  opened.close();
});

void test("I10: a file that is no database is put aside whole, with its log, and an empty store begins", (t) => {
  const folder = crashed(t, (store) => append(store, [1]));
  writeFileSync(join(folder, "store.db"), "x".repeat(20_000));
  rmSync(join(folder, "store.db-wal"));
  const { store, file } = storeIn(folder);
  assert.match(String(file.recovery), /put aside/);
  append(store, [1]);
  file.close();
  const aside = readdirSync(join(folder, "quarantine"));
  assert.equal(aside.filter((name) => name.endsWith(".db")).length, 1);
  assert.equal(statSync(join(folder, "quarantine", String(aside[0]))).size, 20_000);
});

void test("I10: a damaged head is damage, not a newer version; a newer version is refused and left as it is", (t) => {
  const folder = crashed(t, (store) => append(store, [1, 2]));
  const change = (sql: string): void => {
    const db = new Database(join(folder, "store.db"));
    db.exec(sql);
    db.close();
  };
  change("UPDATE meta SET value='1x' WHERE key='format'");
  const { store, file } = storeIn(folder);
  assert.match(String(file.recovery), /taken over.*head is damaged/);
  assert.deepEqual(rowsOf(store, theLane(store))[0]?.values, [1, 2]);
  file.close();
  change("UPDATE meta SET value=2 WHERE key='format'");
  assert.throws(() => storeIn(folder), { code: "too-new" });
  assert.throws(() => storeIn(folder), { code: "too-new" }, "the lock was released");
});

void test("I6: blocks whose lane or position cannot be read are sent all the same, and epochs given up lose nothing", (t) => {
  const folder = crashed(t, (store) => {
    append(store, [1, 2]);
    store.fork(theLane(store));
    append(store, [3]);
    append(store, [4], "alarm");
  });
  const db = new Database(join(folder, "store.db"));
  db.exec("DELETE FROM lane WHERE run=2 AND stream=1; UPDATE lane SET journaled='[{' WHERE run=2");
  db.close();
  writeFileSync(join(folder, "store.db.damaged"), "a test says so");
  const { store, file } = storeIn(folder);
  assert.deepEqual(
    store.lanes().map((lane) => [lane.name, rowsOf(store, lane).map(({ values }) => values)]),
    [
      ["telemetry", [[1, 2], [3]]],
      ["alarm", [[4]]],
    ],
  );
  assert.equal(store.usage().losses.size, 0);
  file.close();
});

void test("I10: a file that cannot be opened now is left where it is", (t) => {
  const folder = crashed(t, (store) => append(store, [1]));
  renameSync(join(folder, "store.db"), join(folder, "kept"));
  mkdirSync(join(folder, "store.db"));
  assert.throws(() => storeIn(folder), { code: "SQLITE_CANTOPEN" });
  rmSync(join(folder, "store.db"), { recursive: true });
  renameSync(join(folder, "kept"), join(folder, "store.db"));
  const { store, file } = storeIn(folder);
  assert.equal(file.recovery, null);
  assert.deepEqual(rowsOf(store, theLane(store))[0]?.values, [1]);
  file.close();
});
