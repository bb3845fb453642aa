import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type BlockRow, type NewRow, openBlocks, pageRows } from "../../agent/store/blocks.ts";
import { prepareSchema } from "../../agent/store/schema.ts";
import { lastOf } from "../../shared/block/block.ts";
import { openDatabase } from "../../shared/sqlite.ts";

function table() {
  const db = openDatabase(":memory:", { cacheBytes: 1024 * 1024 });
  prepareSchema(db, () => new Uint8Array(16));
  return openBlocks(db);
}

function row(first: number, count: number, change: Partial<NewRow> = {}): NewRow {
  const place = { run: 1, stream: 1, first, count, before: null, after: null, state: 0, segment: 1 } as const;
  return { ...place, codec: 1, rawBytes: 10, crc: 0, repeated: false, minUs: 0, maxUs: 0, ...change };
}

const firsts = (rows: Iterable<BlockRow>) => [...rows].map(({ first }) => first);

test("the rows within a span are those that touch it, in order, over more than one page and over holes", () => {
  const blocks = table();
  const all: NewRow[] = [];
  for (let i = 0, first = 1; i < 2.5 * pageRows; i++) {
    const one = row(first, 1 + (i % 3));
    all.push(one);
    first = lastOf(one) + 1 + (i % 7 === 0 ? 2 : 0);
  }
  for (const one of all) blocks.insert(one, new Uint8Array(1));
  blocks.insert(row(1, 5_000, { stream: 2 }), new Uint8Array(1));
  const end = lastOf(all.at(-1) as NewRow);
  const seq = fc.integer({ min: 1, max: end + 5 });
  fc.assert(
    fc.property(seq, seq, (from, length) => {
      const [first, last] = [from, from + length - 1];
      const touched = all.filter((one) => one.first <= last && lastOf(one) >= first);
      assert.deepEqual(firsts(blocks.within(1, 1, { first, last })), firsts(touched as BlockRow[]));
    }),
  );
  assert.equal(firsts(blocks.within(1, 1, { first: 1, last: Number.MAX_SAFE_INTEGER })).length, all.length);
});

test("a row comes back as it was written, whether its chains are known or not, and a page has no more than asked for", () => {
  const blocks = table();
  const chain = "00ff10ab20cd30ef";
  const written = [
    row(1, 2, { after: chain }),
    row(3, 4, { before: chain }),
    row(7, 1, { minUs: null, repeated: true }),
  ];
  for (const one of written) blocks.insert(one, new Uint8Array(3));
  assert.deepEqual(
    blocks.page(1, 1, 1, 2),
    written.slice(0, 2).map((one) => ({ ...one, sizeBytes: 3, body: null })),
  );
  assert.deepEqual(blocks.last(1, 1), { ...written[2], sizeBytes: 3, body: null });
});
