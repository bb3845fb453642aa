/**
 * Single bit flips at scattered places of the store's files after SIGKILL, many of them, each on a fresh copy. Whatever
 * happens, the store opens, and every reading that was acknowledged is there once or named as lost.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { assertPassed, testFolder } from "../fakes/real-line.ts";
import { flipBit, junkPage } from "./damage.ts";
import { auditStore, type StoreAudit } from "./store-lines.ts";

const writer = fileURLToPath(new URL("store-writer.ts", import.meta.url));

/** A store that was written until `readings` were acknowledged, and whose writer was killed then. */
async function writtenStore(t: TestContext, readings: number): Promise<{ folder: string; acknowledged: number }> {
  const folder = join(testFolder(t, "store"), "state");
  mkdirSync(folder);
  const child = spawn(process.execPath, [writer, folder], { stdio: ["ignore", "pipe", "inherit"] });
  let acknowledged = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged = Number(line);
    if (acknowledged >= readings) child.kill("SIGKILL");
  }
  return { folder, acknowledged };
}

/** Numbers in [0, 1) that look random and are the same in every run. */
function* scattered(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (state * 16_807) % 2_147_483_647;
    yield state / 2_147_483_647;
  }
}

interface Flip extends StoreAudit {
  readonly at: string;
}

/** Flips one bit of a copy, for each of `count` scattered places in `name` from `from` to `to` bytes, and audits it. */
function* flips(
  store: { folder: string; acknowledged: number },
  name: string,
  count: number,
  [from, to]: readonly [number, number],
): Iterable<Flip> {
  const numbers = scattered(count);
  const next = (below: number): number => Math.floor((numbers.next().value as number) * below);
  for (let i = 0; i < count; i++) {
    const folder = `${store.folder}-${name}-${i}`;
    cpSync(store.folder, folder, { recursive: true });
    const path = join(folder, name);
    const offset = from + next(Math.min(to, statSync(path).size) - from);
    const bit = next(8);
    flipBit(path, offset, bit);
    yield { at: `byte ${offset}, bit ${bit}`, ...auditStore(folder, store.acknowledged) };
    rmSync(folder, { recursive: true });
  }
}

/** A flip in the row beside a block can make it unreadable although its bytes are whole: a dead letter then has them. */
function assertKept({ at, recovery, result }: Flip): void {
  const { "dead letter": _, ...others } = result.counts;
  assert.deepEqual(others, {}, `${at}, ${recovery ?? "opened as it is"}`);
}

const walHeaderBytes = 32;
/** What the writer appends behind its 256th block, and some more until its kill takes effect. */
const newestMax = 5_000;
const everything = Number.MAX_SAFE_INTEGER;

void describe("bit flips in the store's files", () => {
  void it("I1, I2: without damage a killed store holds all that was acknowledged", async (t) => {
    const { folder, acknowledged } = await writtenStore(t, 5_000);
    const { result, recovery } = auditStore(folder, acknowledged);
    assertPassed(result);
    assert.deepEqual([recovery, result.lostSeqs], [null, 0]);
  });

  void it("I10: in the header of the log, which SQLite would drop with all that it holds", async (t) => {
    const store = await writtenStore(t, 3_000);
    for (const flip of flips(store, "store.db-wal", 16, [0, walHeaderBytes])) {
      assertKept(flip);
      assert.equal(flip.result.lostSeqs, 0, flip.at);
    }
  });

  void it("I6, I10: anywhere in the log", async (t) => {
    const store = await writtenStore(t, 6_000);
    for (const flip of flips(store, "store.db-wal", 40, [walHeaderBytes, everything])) {
      assertKept(flip);
      assert.ok(flip.result.lostSeqs <= 2_000, `${flip.at}: ${flip.result.lostSeqs} readings were lost`);
    }
  });

  void it("I10: on the first page, whose texts name the tables: nothing is lost, also where the file still opens", async (t) => {
    const store = await writtenStore(t, 3_000);
    assertPassed(auditStore(store.folder, store.acknowledged).result);
    for (const flip of flips(store, "store.db", 120, [0, 4_096])) {
      assertPassed(flip.result);
      assert.equal(flip.result.lostSeqs, 0, flip.at);
    }
  });

  void it("I6, I10: anywhere in the main file", async (t) => {
    const store = await writtenStore(t, 40_000);
    // Read once and closed in peace, all of it stands in the main file.
    assertPassed(auditStore(store.folder, store.acknowledged).result);
    for (const flip of flips(store, "store.db", 40, [0, everything])) assertKept(flip);
  });

  void it("I6, I10: a page of junk, each page of the main file in turn", async (t) => {
    const store = await writtenStore(t, 40_000);
    assertPassed(auditStore(store.folder, store.acknowledged).result);
    const pages = statSync(join(store.folder, "store.db")).size / 4_096;
    assert.ok(pages > 15);
    for (let page = 1; page <= pages; page++) {
      const folder = `${store.folder}-${page}`;
      cpSync(store.folder, folder, { recursive: true });
      junkPage(join(folder, "store.db"), page);
      const { result } = auditStore(folder, store.acknowledged);
      rmSync(folder, { recursive: true });
      const { lost = 0, ...others } = result.counts;
      assert.deepEqual(others, {}, `page ${page}`);
      // How far a lane went stands in its row every 256 blocks only: of what came since, a dead page may have been the
      // only witness. It can only be the newest.
      assert.ok(lost <= newestMax, `page ${page}: ${lost} acknowledged readings are neither there nor named`);
      const first = result.findings.find(({ kind }) => kind === "lost")?.text;
      if (lost > 0) assert.equal(first, `flow ${store.acknowledged - lost + 1}`, `page ${page}`);
    }
  });
});
