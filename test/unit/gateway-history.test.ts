/**
 * Random histories of a gateway: batches in any order and number, commits that fail, crashes, a journal that goes back
 * or is lost, damaged blocks. Whatever happened, an agent that sends again what a position lacks ends with every seq in
 * the queue exactly once.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import Database from "better-sqlite3";
import fc from "fast-check";
import { startForwarder } from "../../gateway/forwarder/forwarder.ts";
import { type Identity, type IdentityCopy, identityInMemory } from "../../gateway/journal/identity.ts";
import type { Journal } from "../../gateway/journal/journal.ts";
import { memoryPlace } from "../../gateway/journal/place.ts";
import { openSqliteJournal } from "../../gateway/journal/sqlite.ts";
import type { Queue } from "../../gateway/queue/queue.ts";
import { type Block, lastOf } from "../../shared/block/block.ts";
import { realEnv } from "../../shared/env.ts";
import { covers } from "../../shared/ranges.ts";
import { type Db, openDatabase, setPragmas } from "../../shared/sqlite.ts";
import { type AgentLane, agentLane } from "../fakes/agent-lane.ts";
import { silent } from "../fakes/journal-in-memory.ts";
import { fakeQueue, type QueueFault } from "../fakes/queue.ts";

const cacheBytes = 256 * 1024;
/** Full jitter with a random number of 0: back-off without a wait. */
const env = { ...realEnv(), random: () => 0 };

type Step =
  | { readonly kind: "send"; readonly lane: number; readonly from: number; readonly count: number }
  | { readonly kind: "forward"; readonly fault: QueueFault | undefined }
  | { readonly kind: "crash" | "die" | "save" | "go-back" | "all-back" | "lose" | "damage" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      lane: fc.nat(1),
      from: fc.nat(11),
      count: fc.integer({ min: 1, max: 4 }),
    }),
    weight: 10,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("forward" as const),
      fault: fc.constantFrom(undefined, "full", "before", "after") as fc.Arbitrary<QueueFault | undefined>,
    }),
    weight: 4,
  },
  {
    arbitrary: fc.record({ kind: fc.constantFrom("crash", "die", "save", "go-back", "all-back", "lose", "damage") }),
    weight: 4,
  },
);

interface World {
  readonly lanes: readonly { lane: AgentLane; blocks: readonly Block[] }[];
  readonly queue: ReturnType<typeof fakeQueue>;
  readonly faults: QueueFault[];
  handle: Queue;
  db: Db;
  copy: IdentityCopy;
  journal: Journal;
  image: { readonly bytes: Buffer; readonly identity: Identity | null } | undefined;
}

async function reopen(world: World): Promise<void> {
  world.handle = world.queue.open();
  const place = memoryPlace(world.db, world.copy);
  world.journal = await openSqliteJournal({ place, env, quotaBytes: 1e9, queue: world.handle, log: silent });
}

function newDb(image?: Buffer): Db {
  if (image === undefined) return openDatabase(":memory:", { cacheBytes });
  const db = new Database(image);
  setPragmas(db, { cacheBytes });
  return db;
}

async function forward(world: World, fault?: QueueFault): Promise<void> {
  if (fault !== undefined) world.faults.push(fault);
  const forwarder = startForwarder({ journal: world.journal, queue: world.handle, env, log: silent });
  await forwarder.idle();
  await forwarder.close();
  world.faults.length = 0;
}

/** The process dies between the queue's commit and the journal's settle. */
async function dieForwarding(world: World): Promise<void> {
  if (world.journal.usage().blocks === 0) return;
  const died = Promise.withResolvers<void>();
  const settle = (): Promise<never> => {
    died.resolve();
    return new Promise(() => {});
  };
  const journal = { ...world.journal, settle };
  const forwarder = startForwarder({ journal, queue: world.handle, env, log: silent });
  await Promise.race([died.promise, forwarder.idle()]);
  await reopen(world);
}

async function act(world: World, one: Step): Promise<void> {
  switch (one.kind) {
    case "send": {
      const { lane, blocks } = world.lanes[one.lane] as World["lanes"][0];
      await world.journal.take("pump-1", lane.batch(blocks.slice(one.from, one.from + one.count)));
      return;
    }
    case "forward":
      return forward(world, one.fault);
    case "crash":
      return reopen(world);
    case "die":
      return dieForwarding(world);
    case "save":
      world.image = { bytes: world.db.serialize(), identity: world.copy.read() };
      return;
    case "go-back":
    case "all-back":
      if (world.image === undefined) return;
      world.db.close();
      world.db = newDb(world.image.bytes);
      // A restored folder brings its journal.id along: then only the queue can tell.
      if (one.kind === "all-back" && world.image.identity !== null) world.copy.write(world.image.identity);
      return reopen(world);
    case "lose":
      world.db.close();
      world.db = newDb();
      return reopen(world);
    case "damage":
      world.db.prepare("UPDATE payloads SET bytes = zeroblob(3) WHERE id % 3 = 0").run();
  }
}

/** What an agent does in the end: it asks, and sends what is not journaled, until everything is forwarded. */
async function finish(world: World): Promise<void> {
  for (let round = 0; round < 4; round++) {
    for (const { lane, blocks } of world.lanes) {
      const { state } = await world.journal.ask("pump-1", lane.ask());
      const missing = blocks.filter((block) => !covers(state?.journaled ?? [], block.first, lastOf(block)));
      const { refusals } = await world.journal.take("pump-1", lane.batch(missing));
      assert.deepEqual(refusals, []);
    }
    await forward(world);
  }
}

test("I4, I5, I6: whatever fails in a gateway, every seq ends in the queue exactly once", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const faults: QueueFault[] = [];
      const queue = fakeQueue({ fault: () => faults.pop() });
      const lanes = [1, 2].map((run) => {
        const lane = agentLane({ run });
        return { lane, blocks: Array.from({ length: 12 }, (_, at) => (at % 5 === 4 ? lane.loss(3) : lane.block(2))) };
      });
      const start = { lanes, queue, faults, db: newDb(), copy: identityInMemory(), image: undefined };
      const world = start as unknown as World;
      await reopen(world);
      for (const one of steps) await act(world, one);
      await finish(world);
      for (const { lane } of lanes) {
        const seqs = queue.outcomes
          .filter((outcome) => outcome.lane.epoch === lane.lane.epoch)
          .flatMap(({ spans }) =>
            spans.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, at) => first + at)),
          );
        assert.equal(new Set(seqs).size, seqs.length, "a seq stands in the queue twice");
        assert.equal(seqs.length, lane.newest(), "a seq is missing");
        const { state } = await world.journal.ask("pump-1", lane.ask());
        assert.deepEqual(state?.journaled.length, 1, "the ranges did not join");
      }
      assert.equal(world.journal.usage().blocks, 0);
      world.db.close();
    }),
    { numRuns: 150, seed: 1 },
  );
});
