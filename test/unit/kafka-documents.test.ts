/** RECORDS.md shows what the code writes. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { decode } from "cbor-x";
import { recordsOf } from "../../gateway/queue/kafka/records/records.ts";
import { topicNames, topicsMax } from "../../gateway/queue/kafka/topics/topic-names.ts";
import {
  deadOutcome,
  headersOf,
  lossOutcome,
  readingsOutcome,
  recordOptions,
  recordsFor,
  textOf,
  writing,
} from "../fakes/kafka-records.ts";
import { startUs } from "../fakes/outcomes.ts";

const page = readFileSync(new URL("../../gateway/queue/kafka/records/RECORDS.md", import.meta.url), "utf8");
const blocksOf = (language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)\\n\`\`\``, "gms"))].map((match) => match[1] as string);

const series = { name: "temperature", unit: "Cel", labels: { site: "north" } };
const sample = readingsOutcome([{ ...series, timeUs: startUs, value: 20.5, stamped: true }], { first: 41 });

test("the examples of values are what is written", () => {
  const written = (["json", "senml"] as const).flatMap((format) => recordsFor([sample], { format }).map(textOf));
  assert.deepEqual(blocksOf("json"), written);
});

test("every header that is written is described, and no other", () => {
  const old = readingsOutcome([{ name: "a", timeUs: 1, value: 1 }], {
    block: { repeated: true },
    clock: { segment: 1, offsetUs: 0, quality: "corrected" },
  });
  const loss = lossOutcome(2, 1, [{ first: 2, last: 2 }], { reason: "quota", fromUs: null, toUs: null });
  const doubted = { ...old, isDoubted: true };
  const records = [...recordsOf([doubted, loss, deadOutcome(old, "x")], recordOptions(), { ...writing, replay: "1" })];
  const table = /^## Headers\n(.*?)^## /ms.exec(page)?.[1] ?? "";
  const described = [...table.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell = ""]) =>
    cell.replaceAll("`", "").split(", "),
  );
  assert.deepEqual(new Set(records.flatMap((record) => Object.keys(headersOf(record)))), new Set(described));
});

test("the CDDL names the members of a CBOR value, and the items of a batch", () => {
  const [reading = "", batch = ""] = blocksOf("cddl");
  const old = { ...series, timeUs: startUs, value: 20.5, stamped: false };
  const [value] = recordsFor([readingsOutcome([old], { block: { repeated: true } })], { format: "cbor" });
  const members = [...reading.matchAll(/^ {2}(?:\? )?"(\w+)" =>/gm)].map((match) => match[1]);
  assert.deepEqual(Object.keys(decode(Buffer.from(value?.value ?? []))), members);
  const [packed] = recordsFor([sample], { format: "batch" });
  const items = [...batch.matchAll(/^ {2}[\w-]+: /gm)];
  assert.equal(decode(Buffer.from(packed?.value ?? [])).length, items.length);
});

test("the examples and the number of topics are those of the code", () => {
  assert.equal(topicNames("{series}", []).of("a", "b", "plant/line_3"), "plant--2fline--5f3");
  assert.ok(page.includes("`plant--2fline--5f3`") && page.includes(`At most ${topicsMax} topics`));
});
