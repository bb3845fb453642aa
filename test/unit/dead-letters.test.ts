/** The dead letters of a file queue, as the command line lists and shows them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type GatewayConfig, loadGatewayConfig } from "../../gateway/config.ts";
import { listLetters, replayLetters, showLetter } from "../../gateway/dead-letters.ts";
import { openFileQueue } from "../../gateway/queue/file.ts";
import { openVoice } from "../../shared/voice.ts";
import { blockOf, deadLetter, laneOf, positionOf, readings } from "../fakes/outcomes.ts";
import { queueOptions, tempFolder } from "../fakes/queue-folder.ts";

const lane = laneOf("pump-17");
const idOf = (seqs: string) => `pump-17/telemetry/0123456789abcdef/${seqs}`;

/** A queue with readings and three dead letters in several segments, one of them of a name that would steer a terminal. */
async function filled(t: TestContext): Promise<GatewayConfig> {
  const folder = tempFolder(t);
  const queue = openFileQueue(queueOptions(folder, { segmentBytesMax: 1_000 }));
  const dead = (first: number, count: number, reason: string) => {
    const spans = [{ first, last: first + count - 1 }];
    return { lane, spans, block: blockOf(first, count), body: deadLetter(first, count, { reason }) };
  };
  await queue.commit([readings(lane, 1, [1, 2]), dead(3, 2, "one")], [positionOf(lane, 1, 4)]);
  await queue.commit(
    [
      readings(
        lane,
        5,
        Array.from({ length: 50 }, (_, at) => at),
      ),
    ],
    [positionOf(lane, 1, 54)],
  );
  await queue.commit([dead(55, 1, "two\u001b[2J"), dead(56, 4, "three")], [positionOf(lane, 1, 59)]);
  await queue.close();
  const loaded = loadGatewayConfig(undefined, {});
  assert.ok("config" in loaded);
  const { config } = loaded;
  return {
    ...config,
    stateFolder: folder,
    queue: { ...config.queue, engine: "file", folder } as GatewayConfig["queue"],
  };
}

function listening() {
  const said = { out: "", err: "" };
  const to = (name: "out" | "err") => ({ write: (text: string) => (said[name] += text) });
  return { said, voice: openVoice(to("out"), to("err"), {}) };
}

test("I8: they are listed in their order up to a limit, for people and for programs", async (t) => {
  const config = await filled(t);
  const people = listening();
  await listLetters(config, 10, false, people.voice);
  const rows = people.said.out.trim().split("\n");
  assert.deepEqual(
    rows.map((row) => row.split(/ {2,}/)),
    [
      ["id", "state", "written", "seqs", "block", "reason"],
      [idOf("3-4"), "open", "unknown", "2", "4 B", "one"],
      [idOf("55-55"), "open", "unknown", "1", "4 B", "two\\x1b[2J"],
      [idOf("56-59"), "open", "unknown", "4", "4 B", "three"],
    ],
  );
  const programs = listening();
  await listLetters(config, 2, true, programs.voice);
  const lines = programs.said.out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.equal(programs.said.err, "there are more than 2: see --limit\n");
  assert.deepEqual(lines[0], {
    id: idOf("3-4"),
    ...lane,
    firstSeq: 3,
    lastSeq: 4,
    count: 2,
    reason: "one",
    state: "open",
    written: null,
    bytes: 4,
  });
  assert.equal(lines.length, 2);
});

test("one is shown with all that is needed to read its block, which may go to a file", async (t) => {
  const config = await filled(t);
  const { said, voice } = listening();
  await showLetter(config, idOf("55-55"), undefined, voice);
  const { codec, rawBytes, clockSegment, clockOffsetUs, clock, payloadBase64, blockFirst } = JSON.parse(said.out);
  assert.deepEqual(
    [codec, rawBytes, clockSegment, clockOffsetUs, clock, blockFirst, Buffer.from(payloadBase64, "base64").toString()],
    [9, 310, 3, -5, "corrected", 55, "what"],
  );
  const file = join(config.stateFolder, "payload");
  await showLetter(config, idOf("55-55"), file, voice);
  assert.equal(readFileSync(file, "utf8"), "what");
  await assert.rejects(showLetter(config, idOf("55-56"), undefined, voice), { code: "usage", remedy: /list/ });
});

test("I4: the file queue replays none: each seq stands in one of its lines", async (t) => {
  const config = await filled(t);
  await assert.rejects(replayLetters(config, "all", false, listening().voice), { code: "usage", what: /file queue/ });
});
