/**
 * Faults of the disk under the agent of a whole line: what the processes do about them by themselves, and what stands in
 * the queue at the end. The promise holds for as long as the device keeps what it has synced; where it does not, what
 * the audit allows is stated in the test.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import Database from "better-sqlite3";
import { contentOf } from "../../demo/memory.ts";
import { type Answer, post } from "../../demo/post.ts";
import { sleep, until } from "../../demo/waiting.ts";
import { assertPassed, layRealLine, type RealLine } from "../fakes/real-line.ts";
import { flipInWal, junkPage, tearWal, walFrames } from "./damage.ts";
import { mountTmpfs } from "./mounts.ts";
import { straceMissing, withEioAt } from "./strace.ts";

const place = { agent: "pump-17", stream: "telemetry" };

/** A line whose agent has a backlog in its log and was killed. */
async function backlogOf(t: TestContext, readings: number): Promise<RealLine> {
  const trouble = await layRealLine(t);
  await trouble.line.agent.start();
  const producers = trouble.produce();
  await trouble.accepted(readings);
  await trouble.line.agent.kill();
  await producers.stop();
  return trouble;
}

/** Starts both, sends a little more, drains and audits. */
async function comesBack(trouble: RealLine) {
  const { line } = trouble;
  await line.agent.start();
  await line.gateway.start();
  const producers = trouble.produce();
  await trouble.accepted(100);
  await producers.stop();
  await trouble.drain();
  const status = await line.agent.status();
  await trouble.stop();
  return { status, result: await trouble.audit() };
}

/**
 * A line whose agent stopped in peace with a backlog, and was started again after `damage` to its main file. Part of the
 * backlog is merged, so that bytes wait in pages of their own: a quick machine takes the readings before the first turn
 * of the housekeeping.
 */
async function openedAfter(t: TestContext, readings: number, damage: (path: string) => void): Promise<RealLine> {
  const trouble = await layRealLine(t);
  await trouble.line.agent.start();
  const producers = trouble.produce();
  await trouble.accepted(readings);
  await until("a block is merged", () => pagesOfBytes(storeOf(trouble)).length > 0);
  await producers.stop();
  // An orderly stop leaves everything in the main file.
  await trouble.line.agent.stop();
  damage(storeOf(trouble));
  await trouble.line.agent.start();
  return trouble;
}

const walOf = ({ line }: RealLine): string => join(line.agentState, "store.db-wal");
const storeOf = ({ line }: RealLine): string => join(line.agentState, "store.db");

/** The leaf pages that hold block bytes, numbered from 1: the root of an empty table is a leaf too, which nothing reads. */
function pagesOfBytes(path: string): number[] {
  const db = new Database(path, { readonly: true });
  try {
    const leaves = "SELECT pageno FROM dbstat WHERE name='body' AND pagetype='leaf' AND ncell>0 ORDER BY pageno";
    return db.prepare<[], number>(leaves).pluck().all();
  } finally {
    db.close();
  }
}

void describe("damage to the agent's store", () => {
  for (const [where, part] of [
    ["near the front", 0.1],
    ["in the middle", 0.5],
    ["near the end", 0.95],
  ] as const) {
    void it(`I6, I10: a flipped bit ${where} of the log costs at most one block, which is named`, async (t) => {
      const trouble = await backlogOf(t, 1_500);
      flipInWal(walOf(trouble), part);
      const { status, result } = await comesBack(trouble);
      assertPassed(result);
      assert.match(status.recovery ?? "", /taken over/);
      assert.ok(result.lostSeqs <= 100, `${result.lostSeqs} readings are named as lost`);
    });
  }

  void it("I1: a write that was torn behind the last commit costs nothing", async (t) => {
    const trouble = await backlogOf(t, 500);
    // The frames of a write that a power cut ended: the next ones of the file, never committed.
    const frames = walFrames(walOf(trouble));
    cpSync(walOf(trouble), `${walOf(trouble)}.whole`);
    const whole = readFileSync(`${walOf(trouble)}.whole`);
    truncateSync(walOf(trouble), whole.length + 24 + 4096);
    tearWal(walOf(trouble), frames);
    const { status, result } = await comesBack(trouble);
    assertPassed(result);
    assert.equal(status.recovery, null);
    assert.equal(result.lostSeqs, 0);
  });

  void it("I10: an agent that meets a page of junk while it sends takes its store over and goes on by itself", async (t) => {
    const trouble = await openedAfter(t, 4_000, (path) => {
      // A page of waiting bytes: one that a merge had freed would never be met.
      const pages = pagesOfBytes(path);
      junkPage(path, pages[Math.floor(pages.length * 0.7)] as number);
    });
    const { line } = trouble;
    await line.gateway.start();
    const producers = trouble.produce();
    await trouble.accepted(100);
    await producers.stop();
    await trouble.drain();
    const { recovery } = await line.agent.status();
    await trouble.stop();
    const { counts, queued } = await trouble.audit();
    // Which pages cost what is the matter of store-damage.test.ts; here nothing may be doubled, and the rest arrives.
    assert.match(recovery ?? "", /taken over/);
    assert.deepEqual(
      Object.keys(counts).filter((kind) => kind !== "lost"),
      [],
    );
    assert.ok(queued > 100, `${queued} readings are queued`);
  });

  void it("I10: a truncated store comes up by itself, and what it does not hold any more is named or reported", async (t) => {
    const trouble = await openedAfter(t, 3_000, (path) => {
      truncateSync(path, Math.floor(statSync(path).size / 8_192) * 4_096);
    });
    const { line } = trouble;
    const status = await line.agent.status();
    assert.notEqual(status.recovery, null);
    assert.ok(readdirSync(join(line.agentState, "quarantine")).some((name) => name.endsWith(".db")));
    await line.gateway.start();
    await trouble.drain();
    await trouble.stop();
    const { counts } = await trouble.audit();
    // Half of a file cannot name all that the other half held; nothing of it may be doubled or wrong.
    assert.deepEqual(
      Object.keys(counts).filter((kind) => kind !== "lost" && kind !== "seq missing"),
      [],
    );
  });

  void it("I10: an agent whose store was deleted goes on, and repeats nothing that was delivered", async (t) => {
    const trouble = await layRealLine(t);
    const { line } = trouble;
    await line.gateway.start();
    await line.agent.start();
    const first = trouble.produce();
    await trouble.accepted(300);
    await first.stop();
    await trouble.drain();
    await line.agent.kill();
    rmSync(line.agentState, { recursive: true });
    await line.agent.start();
    const second = trouble.produce();
    await trouble.accepted(300);
    await second.stop();
    await trouble.drain();
    await trouble.stop();
    const result = await trouble.audit();
    // All had been delivered before, so the new store repeats nothing and loses nothing.
    assertPassed(result);
    assert.equal(result.epochs, 2);
  });

  void it("I4: a restored backup repeats nothing: what it resends has the same names", async (t) => {
    const trouble = await layRealLine(t);
    const { line } = trouble;
    await line.agent.start();
    const producers = trouble.produce();
    await trouble.accepted(800);
    await line.agent.kill();
    cpSync(line.agentState, `${line.agentState}.backup`, { recursive: true });
    await line.gateway.start();
    await line.agent.start();
    await trouble.accepted(400);
    await producers.stop();
    await trouble.drain();
    await line.agent.stop();
    rmSync(line.agentState, { recursive: true });
    cpSync(`${line.agentState}.backup`, line.agentState, { recursive: true });
    await line.agent.start();
    const more = trouble.produce();
    await trouble.accepted(200);
    await more.stop();
    await trouble.drain();
    await trouble.stop();
    assertPassed(await trouble.audit());
  });
});

/** Sends texts that no codec makes smaller until they are refused: the ballast takes some MB. */
async function sendUntilRefused({ line, memory }: RealLine): Promise<Answer> {
  for (let bodies = 0; bodies < 60; bodies++) {
    const texts = Array.from({ length: 10 }, () => randomBytes(24_000).toString("hex"));
    const ids = texts.map((value) => memory.attempt(place, { name: "noise", value }, contentOf({ name: "noise" })));
    const body = JSON.stringify(texts.map((value) => ({ name: "noise", value })));
    const answer = await post(line.ports.http, "/v1/readings", "application/json", body);
    if (answer.status !== 204) return answer;
    memory.acknowledge(ids);
  }
  throw new Error("a full disk refused nothing");
}

void describe("a disk that fails under the running agent", () => {
  for (const when of ["30", "31+7"]) {
    void it(`I1: EIO from fsync (at call ${when}): producers are refused, the agent comes back by itself`, async (t) => {
      const missing = straceMissing();
      if (missing !== undefined) return t.skip(missing);
      const trouble = await layRealLine(t);
      const { line } = trouble;
      await line.gateway.start();
      await line.agent.start({ wrapper: withEioAt(when) });
      const producers = trouble.produce();
      await until("a producer was refused", () => producers.unanswered() > 0, 20_000);
      if (!when.includes("+")) await trouble.accepted(200);
      await line.agent.kill();
      await line.agent.start();
      await trouble.accepted(200);
      await producers.stop();
      await trouble.drain();
      await trouble.stop();
      const result = await trouble.audit();
      assertPassed(result);
      assert.equal(result.lostSeqs, 0);
    });
  }

  void it("I1, I10: a disk that fills at any moment refuses with 503, and goes on when there is room", async (t) => {
    const disk = mountTmpfs(t, 40);
    if (typeof disk === "string") return t.skip(disk);
    const trouble = await layRealLine(t, {
      agent: () => ({ stateFolder: disk.folder, streams: [{ name: "telemetry", policy: "reject" }] }),
    });
    const { line } = trouble;
    await line.agent.start();
    const producers = trouble.produce();
    await trouble.accepted(500);
    // Other programs fill the disk and free it again, each time at another moment of the agent's work.
    for (let round = 0; round < 4; round++) {
      disk.fill(round * 64 * 1024);
      const answer = await sendUntilRefused(trouble);
      assert.equal(answer.status, 503);
      assert.match(answer.headers["retry-after"] ?? "", /^\d+$/);
      if (round === 2) await line.agent.kill();
      disk.free();
      if (round === 2) await line.agent.start();
      await trouble.accepted(200);
    }
    await producers.stop();
    await line.gateway.start();
    await trouble.drain();
    await trouble.stop();
    const result = await trouble.audit();
    assertPassed(result);
    assert.equal(result.lostSeqs, 0);
  });

  void it("I10: an agent that starts on a full disk waits for room, and keeps what it holds", async (t) => {
    const disk = mountTmpfs(t, 40);
    if (typeof disk === "string") return t.skip(disk);
    const trouble = await layRealLine(t, {
      agent: () => ({ stateFolder: disk.folder, streams: [{ name: "telemetry", policy: "reject" }] }),
    });
    const { line } = trouble;
    await line.agent.start();
    const producers = trouble.produce();
    await trouble.accepted(500);
    await line.agent.kill();
    disk.fill(0);
    const started = line.agent.launch();
    await sleep(1_500);
    disk.free();
    // Either it is up already and takes readings again, or it left with a code that a supervisor restarts.
    await Promise.race([started.ended, until("it answers", () => line.agent.status(), 15_000)]);
    if (!started.isRunning()) await line.agent.start();
    await trouble.accepted(200);
    await producers.stop();
    await line.gateway.start();
    await trouble.drain();
    await trouble.stop();
    assertPassed(await trouble.audit());
    assert.ok(!existsSync(join(disk.folder, "quarantine")), "a full disk is no damage");
  });
});
