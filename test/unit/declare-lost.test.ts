import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { askRunning, startControl, type Tasks } from "../../gateway/control.ts";
import { declareLost, declareTask, readDeclaration } from "../../gateway/declare-lost.ts";
import type { Journal } from "../../gateway/journal/journal.ts";
import { codecLoss } from "../../shared/block/block.ts";
import { readLoss } from "../../shared/block/loss.ts";
import { covers } from "../../shared/ranges.ts";
import { agentLane } from "../fakes/agent-lane.ts";
import { journalInMemory } from "../fakes/journal-in-memory.ts";
import { fakeQueue } from "../fakes/queue.ts";

const ask = (folder: string, declaration: object) => askRunning(folder, declareTask, declaration, 10_000);

const tasksOf = (journal: Journal): Tasks => ({
  [declareTask]: (body) => declareLost(journal, readDeclaration(body)),
});

function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-control-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A journal with two lanes of pump-1 and one of pump-2, each with seqs 4 to 6 reported as gone. */
async function reported(): Promise<{ journal: Journal; lanes: ReturnType<typeof agentLane>[] }> {
  const { journal } = await journalInMemory(fakeQueue().open());
  const lanes = [agentLane(), agentLane({ stream: "log" }), agentLane({ agent: "pump-2", store: 2 })];
  for (const lane of lanes) {
    const [first, , last] = [lane.block(3), lane.block(3), lane.block(3)];
    const { agent } = lane.lane;
    await journal.take(agent, lane.batch([first, last]));
    await journal.ask(agent, lane.ask(0, [{ first: 4, last: 6 }]));
  }
  return { journal, lanes };
}

test("what is reported of an agent is declared, narrowed by stream and epoch; a second time nothing is left", async () => {
  const { journal, lanes } = await reported();
  const [telemetry, log, other] = lanes.map(({ lane }) => lane);
  assert.deepEqual(await declareLost(journal, { agent: "pump-1", epoch: "ffffffffffffffff" }), []);
  assert.deepEqual(await declareLost(journal, { agent: "pump-1", stream: "log" }), [
    { lane: log, reason: "journal-lost", seqs: 3 },
  ]);
  assert.deepEqual(await declareLost(journal, { agent: "pump-1" }), [
    { lane: telemetry, reason: "journal-lost", seqs: 3 },
  ]);
  assert.deepEqual(await declareLost(journal, { agent: "pump-1" }), []);
  assert.deepEqual(
    journal.reports().map(({ lane }) => lane),
    [other],
  );
});

test("I6: seqs that are named are filled where they are open and were given out, by loss records", async () => {
  const { journal, lanes } = await reported();
  const [lane] = lanes;
  const { agent, stream, epoch } = (lane as ReturnType<typeof agentLane>).lane;
  const [declared] = await declareLost(journal, { agent, stream, epoch, span: { first: 1, last: 1_000_000 } });
  assert.equal(declared?.seqs, 3, "neither what is journaled nor what nobody gave out");
  const losses = journal.read(1e6, 1e6).filter(({ block }) => block.codec === codecLoss);
  assert.deepEqual(
    losses.map(({ block }) => [block.first, block.count, readLoss(block.bytes).reason]),
    [[4, 3, "journal-lost"]],
  );
  const { state } = await journal.ask(agent, (lane as ReturnType<typeof agentLane>).ask());
  assert.ok(covers(state?.journaled ?? [], 1, 9));
  await assert.rejects(
    declareLost(journal, { agent, stream, epoch: "ffffffffffffffff", span: { first: 1, last: 2 } }),
    {
      code: "bad-input",
    },
  );
});

test("declarations of unknown shape are refused with what to do", () => {
  const lane = { agent: "pump-1", stream: "log", epoch: "0123456789abcdef" };
  const bad: unknown[] = [
    null,
    7,
    "x",
    [],
    {},
    { agent: "" },
    { agent: 7 },
    { ...lane, stream: {} },
    { ...lane, epoch: 1 },
  ];
  const spans: unknown[] = [
    null,
    {},
    { first: 1 },
    { first: 0, last: 3 },
    { first: 3, last: 2 },
    { first: 1.5, last: 2 },
  ];
  spans.push({ first: 1, last: 2 ** 53 }, { first: Number.NaN, last: 2 }, { first: "1", last: "2" });
  bad.push(...spans.map((span) => ({ ...lane, span })), { agent: "pump-1", span: { first: 1, last: 2 } });
  for (const value of bad) {
    assert.throws(() => readDeclaration(value), { name: "Fault", code: "usage" }, JSON.stringify(value));
  }
  const good = { ...lane, span: { first: 1, last: 2 } };
  assert.deepEqual(readDeclaration({ ...good, json: true }), good);
});

test("a declaration reaches the running gateway through its socket, which a dead one may have left behind", async (t) => {
  const { journal, lanes } = await reported();
  const folder = tempFolder(t);
  assert.equal(await ask(folder, { agent: "pump-1" }), undefined, "nobody runs");
  writeFileSync(join(folder, "control.sock"), "");
  assert.equal(await ask(folder, { agent: "pump-1" }), undefined, "nobody listens");
  const control = await startControl(folder, tasksOf(journal));
  t.after(() => control.stop());
  assert.equal(statSync(join(folder, "control.sock")).mode & 0o777, 0o600);
  const declared = await ask(folder, { agent: "pump-1", stream: "log" });
  assert.deepEqual(declared, [{ lane: lanes[1]?.lane, reason: "journal-lost", seqs: 3 }]);
  const unknown = { agent: "pump-1", stream: "log", epoch: "ffffffffffffffff", span: { first: 1, last: 2 } };
  await assert.rejects(ask(folder, unknown), { name: "Fault", code: "bad-input" });
});

test("I8: the socket refuses what is no declaration, or too long for one, and goes on", async (t) => {
  const { journal } = await reported();
  const folder = tempFolder(t);
  const control = await startControl(folder, tasksOf(journal));
  t.after(() => control.stop());
  const post = (text: string): Promise<string> =>
    new Promise((resolve) => {
      const call = request(
        { socketPath: join(folder, "control.sock"), method: "POST", path: declareTask },
        (response) => {
          let body = "";
          response.on("data", (part) => (body += part)).on("end", () => resolve(`${response.statusCode} ${body}`));
        },
      );
      call.on("error", () => resolve("cut off"));
      call.end(text);
    });
  assert.match(await post("{"), /^400 .*no JSON/);
  assert.match(await post('"pump-1"'), /^400 .*--agent/);
  assert.equal(await post(JSON.stringify({ agent: "x".repeat(100_000) })), "cut off");
  assert.equal(await post(JSON.stringify({ agent: "nobody" })), "200 []");
  await assert.rejects(askRunning(folder, "/no-such-task", {}, 10_000), { code: "usage", what: /does not know/ });
});

test("a state folder deeper than a socket's path may be is no hindrance", async (t) => {
  const { journal } = await reported();
  const folder = join(tempFolder(t), "deep".repeat(30), "deeper".repeat(20));
  mkdirSync(folder, { recursive: true });
  const control = await startControl(folder, tasksOf(journal));
  assert.ok(existsSync(join(folder, "control.sock")));
  assert.equal((await ask(folder, { agent: "pump-1" }))?.length, 2);
  await control.stop();
  assert.equal(existsSync(join(folder, "control.sock")), false);
});

test("an answer in unknown words is a Fault, not a defect", async (t) => {
  for (const answer of ["", "null", "{}", "[", '{"what":7}', "<html>"]) {
    const folder = tempFolder(t);
    const server = createServer((_, response) => response.writeHead(400).end(answer));
    await new Promise<void>((resolve) => server.listen(join(folder, "control.sock"), resolve));
    await assert.rejects(ask(folder, { agent: "pump-1" }), { name: "Fault", code: "unavailable" }, answer);
    server.close();
  }
});
