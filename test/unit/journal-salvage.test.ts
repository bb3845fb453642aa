/** The journal's log on real files, damaged at random places, as a power cut and a bad disk leave it (I3, I4, I10). */
import assert from "node:assert/strict";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Journal } from "../../gateway/journal/journal.ts";
import { folderPlace } from "../../gateway/journal/place.ts";
import { openSqliteJournal } from "../../gateway/journal/sqlite.ts";
import type { Queue } from "../../gateway/queue/queue.ts";
import { type Block, crcHolds, lastOf } from "../../shared/block/block.ts";
import { realEnv } from "../../shared/env.ts";
import { covers, sizeOf, touches } from "../../shared/ranges.ts";
import { scanWal } from "../../shared/wal.ts";
import { forwardedBy } from "../contract/journal.ts";
import { type AgentLane, agentLane } from "../fakes/agent-lane.ts";
import { silent } from "../fakes/journal-in-memory.ts";
import { fakeQueue } from "../fakes/queue.ts";

const env = realEnv();
const files = ["journal.db", "journal.db-wal", "journal.id"];
const flips = 24;

function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-salvage-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  // Laying the ballast of a real journal would be most of the time of these tests.
  writeFileSync(join(folder, "ballast"), "");
  return folder;
}

function openIn(folder: string, queue: Queue): Promise<Journal> {
  return openSqliteJournal({ place: folderPlace(folder, env), env, quotaBytes: 1e9, queue, log: silent });
}

/** A generator with a seed (Numerical Recipes' linear congruence): the same places in every run. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

interface Stopped {
  readonly queue: Queue;
  readonly lanes: readonly { readonly lane: AgentLane; readonly blocks: readonly Block[] }[];
  readonly versions: readonly number[];
  readonly journalId: string;
  /** Copies the files as they were at the unclean stop. */
  copyTo(folder: string): void;
}

/** A journal that took three lanes block by block, of which the queue has a part, and that never closed its file. */
async function stoppedJournal(t: TestContext): Promise<Stopped> {
  const folder = tempFolder(t);
  const image = tempFolder(t);
  const queue = fakeQueue().open();
  const journal = await openIn(folder, queue);
  const lanes = [1, 2, 3].map((run) => {
    const lane = agentLane({ run });
    const blocks = Array.from({ length: 40 }, (_, at) => lane.block(3, Buffer.alloc(300 + 97 * (at % 11), at + run)));
    return { lane, blocks };
  });
  for (let at = 0; at < 40; at++) {
    for (const { lane, blocks } of lanes) await journal.take("pump-1", lane.batch([blocks[at] as Block]));
    if (at === 20) {
      const { lane, blocks } = lanes[0] as Stopped["lanes"][0];
      const forwarded = forwardedBy(blocks.slice(0, 10));
      const position = { lane: lane.lane, storeId: lane.record.storeId, run: 1, forwarded };
      await queue.commit([], [position]);
      const ids = journal.read(1e9, 1e9).filter(({ run, block }) => run === 1 && lastOf(block) <= 30);
      await journal.settle(
        ids.map(({ id }) => id),
        [position],
      );
    }
  }
  const versions = await Promise.all(
    lanes.map(async ({ lane }) => (await journal.ask("pump-1", lane.ask())).state?.version ?? 0),
  );
  for (const name of files) copyFileSync(join(folder, name), join(image, name));
  const journalId = journal.journalId();
  await journal.close();
  return {
    queue,
    lanes,
    versions,
    journalId,
    copyTo(target) {
      for (const name of files) copyFileSync(join(image, name), join(target, name));
    },
  };
}

/** Everything that was reported as journaled is held or missing from the position; returns how many blocks are missing. */
async function checkClaims(journal: Journal, stopped: Stopped): Promise<number> {
  const { queue, lanes, versions } = stopped;
  let missing = 0;
  for (const [at, { lane, blocks }] of lanes.entries()) {
    const { state } = await journal.ask("pump-1", lane.ask());
    const journaled = state?.journaled ?? [];
    const held = journal.read(1e9, 1e9).filter(({ run }) => run === at + 1);
    for (const { block } of held) assert.ok(crcHolds(block), "a damaged block is held");
    const seqs = held.flatMap(({ block }) => Array.from({ length: block.count }, (_, add) => block.first + add));
    assert.equal(new Set(seqs).size, seqs.length, "a seq is held twice");
    const inQueue = queue.forwarded(lane.lane);
    for (const seq of seqs) assert.ok(!touches(inQueue, seq, seq), `seq ${seq} waits although the queue has it`);
    assert.equal(sizeOf(journaled), seqs.length + sizeOf(inQueue), "the position claims what nobody holds");
    const lost = blocks.filter((block) => !touches(journaled, block.first, lastOf(block)));
    if (lost.length > 0 && journal.journalId() === stopped.journalId) {
      assert.ok((state?.version ?? 0) < (versions[at] as number), "the journal went back and nobody can tell");
    }
    missing += lost.length;
    const { refusals } = await journal.take("pump-1", lane.batch(lost));
    assert.deepEqual(refusals, []);
    const again = (await journal.ask("pump-1", lane.ask())).state?.journaled ?? [];
    assert.ok(covers(again, 1, lane.newest()), "what was sent again is not there");
  }
  return missing;
}

test("an unclean stop without damage keeps the journal's id and all that it holds", async (t) => {
  const stopped = await stoppedJournal(t);
  const folder = tempFolder(t);
  stopped.copyTo(folder);
  const journal = await openIn(folder, stopped.queue);
  assert.equal(journal.journalId(), stopped.journalId);
  assert.equal(await checkClaims(journal, stopped), 0);
  await journal.close();
});

test("I3, I4, I10: a bit flip anywhere in the log costs no more than the blocks that it hits, and claims nothing", async (t) => {
  const stopped = await stoppedJournal(t);
  const pick = seeded(20_261_120);
  const all = stopped.lanes.reduce((sum, { blocks }) => sum + blocks.length, 0) - 10;
  let missing = 0;
  let most = 0;
  for (let round = 0; round < flips; round++) {
    const folder = tempFolder(t);
    stopped.copyTo(folder);
    const wal = readFileSync(join(folder, "journal.db-wal"));
    const at = pick(wal.length);
    wal[at] = (wal[at] as number) ^ (1 << pick(8));
    writeFileSync(join(folder, "journal.db-wal"), wal);
    const journal = await openIn(folder, stopped.queue);
    const lost = await checkClaims(journal, stopped);
    missing += lost;
    most = Math.max(most, lost);
    await journal.close();
    rmSync(folder, { recursive: true, force: true });
  }
  t.diagnostic(`${flips} flips: ${missing / flips} of ${all} blocks missing on average, ${most} at the most`);
  assert.ok(missing / flips < all / 10, `${missing / flips} of ${all} blocks are missing on average`);
});

test("I10: a torn log gives back what was whole; a lost main file leaves a log that is played into no other", async (t) => {
  const stopped = await stoppedJournal(t);
  const folder = tempFolder(t);
  stopped.copyTo(folder);
  const wal = readFileSync(join(folder, "journal.db-wal"));
  wal.fill(0, Math.floor(wal.length / 2), Math.floor(wal.length / 2) + 4096);
  writeFileSync(join(folder, "journal.db-wal"), wal);
  assert.equal(scanWal(join(folder, "journal.db-wal")).losesCommits, true);
  const journal = await openIn(folder, stopped.queue);
  assert.notEqual(journal.journalId(), stopped.journalId);
  await checkClaims(journal, stopped);
  await journal.close();

  const orphaned = tempFolder(t);
  stopped.copyTo(orphaned);
  rmSync(join(orphaned, "journal.db"));
  const fresh = await openIn(orphaned, stopped.queue);
  assert.notEqual(fresh.journalId(), stopped.journalId);
  assert.equal(await checkClaims(fresh, stopped), 3 * 40 - 10);
  await fresh.close();
});

test("I10: the damaged file is kept as it was, two at the most, and an interrupted salvage begins again", async (t) => {
  const stopped = await stoppedJournal(t);
  const folder = tempFolder(t);
  const keptIn = (): string[] => readdirSync(folder).filter((name) => name.startsWith("journal.db.damaged-"));
  for (let round = 0; round < 4; round++) {
    stopped.copyTo(folder);
    const spoilt = readFileSync(join(folder, "journal.db-wal"));
    spoilt[spoilt.length >> 1] = (spoilt[spoilt.length >> 1] as number) ^ 1;
    if (round % 2 === 0) writeFileSync(join(folder, "journal.db-wal"), spoilt);
    else {
      // As a stop leaves it: the damaged file is set aside, and of the new one there is only the beginning.
      mkdirSync(join(folder, "journal.db.salvaging"));
      for (const name of ["journal.db", "journal.db-wal"]) {
        copyFileSync(join(folder, name), join(folder, "journal.db.salvaging", name));
      }
      writeFileSync(join(folder, "journal.db.salvaging", "journal.db-wal"), spoilt);
      for (const name of ["journal.db", "journal.db-wal"]) rmSync(join(folder, name));
      writeFileSync(join(folder, "journal.db"), "");
    }
    const before = readFileSync(join(folder, "journal.id"), "utf8");
    const journal = await openIn(folder, stopped.queue);
    assert.ok(!before.startsWith(journal.journalId()));
    assert.ok((await checkClaims(journal, stopped)) < 10);
    await journal.close();
    assert.equal(existsSync(join(folder, "journal.db.salvaging")), false);
    const newest = join(folder, keptIn().sort().at(-1) as string);
    assert.deepEqual(readdirSync(newest).sort(), ["journal.db", "journal.db-wal"]);
    assert.ok(readFileSync(join(newest, "journal.db-wal")).equals(spoilt), "the evidence was changed");
  }
  assert.equal(keptIn().length, 2);
});
