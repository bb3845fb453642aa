/**
 * Death at every named point of the shipped code (shared/crash-point.ts), in real processes. What may differ afterwards
 * is one-sided and the same everywhere: a reading that was never acknowledged may be there or not; one that was
 * acknowledged is there, once. A repeat of it is never allowed, a hole never.
 */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { assertPassed, layRealLine, type RealLine } from "../fakes/real-line.ts";
import { flipInWal } from "./damage.ts";

/** The environment that lets a program die at a point. */
const dyingAt = (point: string, pass: number) => ({
  environment: { ...process.env, HOLDFAST_CRASH_AT: `${point}:${pass}` },
});

/** Launches a program that must die by itself at the point. */
async function diesAt(program: "agent" | "gateway", trouble: RealLine, point: string, pass: number): Promise<void> {
  const { ended } = trouble.line[program].launch(dyingAt(point, pass));
  const timer = setTimeout(() => void trouble.line[program].stop(), 20_000);
  const { signal } = await ended;
  clearTimeout(timer);
  assert.equal(signal, "SIGKILL", `the ${program} died at "${point}"`);
}

/** Ends the load, drains and audits. */
async function comesThrough(trouble: RealLine): Promise<void> {
  await trouble.drain();
  await trouble.stop();
  const result = await trouble.audit();
  assertPassed(result);
  assert.ok(result.acknowledged > 0 && result.queued >= result.acknowledged);
  assert.equal(result.lostSeqs, 0);
}

/** Dies under load at the `pass`th pass, comes back under load, and nothing is missing or doubled. */
async function underLoad(t: TestContext, program: "agent" | "gateway", point: string, pass: number): Promise<void> {
  const trouble = await layRealLine(t);
  const { line } = trouble;
  const other = program === "agent" ? line.gateway : line.agent;
  await other.start();
  const producers = trouble.produce();
  await diesAt(program, trouble, point, pass);
  await line[program].start();
  await trouble.accepted(200);
  await producers.stop();
  await comesThrough(trouble);
}

const agentPoints: readonly (readonly [invariant: string, point: string, pass: number])[] = [
  ["I1", "append before commit", 7],
  ["I1", "append committed", 7],
  ["I2", "settle before commit", 3],
];

void describe("the agent dies at a named point under load", () => {
  for (const [invariant, point, pass] of agentPoints) {
    void it(`${invariant}: ${point}`, (t) => underLoad(t, "agent", point, pass));
  }

  void it("I2: merge before commit, with a backlog and no gateway", async (t) => {
    const trouble = await layRealLine(t);
    const producers = trouble.produce();
    await diesAt("agent", trouble, "merge before commit", 2);
    await trouble.line.agent.start();
    await trouble.accepted(200);
    await producers.stop();
    await trouble.line.gateway.start();
    await comesThrough(trouble);
  });
});

const gatewayPoints: readonly (readonly [invariant: string, point: string, pass: number])[] = [
  ["I3", "journal before commit", 5],
  ["I4", "journal committed", 5],
  ["I5", "queue lines written", 4],
  ["I5", "queue lines synced", 4],
  ["I5", "queue committed", 4],
  ["I5", "queue rolled over", 2],
];

void describe("the gateway dies at a named point under load", () => {
  for (const [invariant, point, pass] of gatewayPoints) {
    void it(`${invariant}: ${point}`, (t) => underLoad(t, "gateway", point, pass));
  }
});

void describe("the agent dies while its store begins", () => {
  for (const [point, pass] of [
    ["store without tables", 1],
    ["append before commit", 1],
    ["append committed", 1],
  ] as const) {
    void it(`I10: ${point}, pass ${pass}`, (t) => underLoad(t, "agent", point, pass));
  }
});

void describe("the agent dies while it takes over a damaged store", () => {
  const points = [
    "take-over filled",
    "take-over complete",
    "store quarantined",
    "store-wal quarantined",
    "take-over put the old store aside",
  ];
  for (const point of points) {
    void it(`I10: ${point}`, async (t) => {
      const trouble = await layRealLine(t);
      const { line } = trouble;
      await line.agent.start();
      const producers = trouble.produce();
      await trouble.accepted(2_000);
      await line.agent.kill();
      flipInWal(join(line.agentState, "store.db-wal"), 0.4);
      await diesAt("agent", trouble, point, 1);
      await line.agent.start();
      await trouble.accepted(200);
      await producers.stop();
      await line.gateway.start();
      await trouble.drain();
      await trouble.stop();
      // The flipped bit may have hit the bytes of a block, which are then named as lost: at the most that block.
      const result = await trouble.audit();
      assertPassed(result);
      assert.ok(result.lostSeqs <= 100, `${result.lostSeqs} readings are named as lost`);
    });
  }
});

void describe("the gateway dies while its journal takes a new id", () => {
  for (const point of ["journal id before commit", "journal id committed", "journal id drafted"]) {
    void it(`I4: ${point}`, async (t) => {
      const trouble = await layRealLine(t);
      const { line } = trouble;
      await line.gateway.start();
      await line.agent.start();
      const producers = trouble.produce();
      await trouble.accepted(1_000);
      await line.gateway.kill();
      // Without the copy of its id beside it the journal may have gone back.
      rmSync(join(line.gatewayState, "journal.id"));
      await diesAt("gateway", trouble, point, 1);
      await line.gateway.start();
      await trouble.accepted(200);
      await producers.stop();
      await comesThrough(trouble);
    });
  }
});
