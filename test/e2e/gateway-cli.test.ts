/** The gateway's command line, as an operator uses it: real processes, real exit codes. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { appendFileSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gatewayScript } from "../../demo/line.ts";
import { until } from "../../demo/waiting.ts";
import type { GatewayStatus } from "../../gateway/status.ts";
import { exitCodes } from "../../shared/voice.ts";
import { agentLane, nonce } from "../fakes/agent-lane.ts";
import { type GatewayProcess, layGateway } from "../fakes/gateway-process.ts";
import { connectPeer, type Peer } from "../fakes/peer.ts";

interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function cli(...args: string[]): Promise<Result> {
  return new Promise((resolve) => {
    execFile(process.execPath, [gatewayScript, ...args], { timeout: 20_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err });
    });
  });
}

const withConfig = (gateway: GatewayProcess, ...args: string[]): Promise<Result> =>
  cli(...args, "--config", gateway.program.configFile);

/** A lane of pump-1 with seqs 1–3 and 7–9 in the gateway, of which 4–6 are reported as gone. */
async function leaveGap(peer: Peer, run: number): Promise<ReturnType<typeof agentLane>> {
  const lane = agentLane({ run });
  const { groupId } = await peer.greet(lane);
  const [first, , last] = [lane.block(3), lane.block(3), lane.block(3)];
  peer.send({ ...lane.batch([first, last]), groupId });
  peer.send({ type: "ask", nonce, groupId, entries: [lane.ask(0, [{ first: 4, last: 6 }])] });
  const { epoch } = lane.lane;
  await until("the gap is told", () =>
    peer.answers.some((one) => one.type === "position" && one.epoch === epoch && one.journaled.length === 2),
  );
  return lane;
}

async function running(t: TestContext): Promise<{ gateway: GatewayProcess; peer: Peer }> {
  const gateway = await layGateway(t);
  const password = (await gateway.run("agent", "add", "pump-1")).stdout.trim();
  await gateway.program.start();
  return { gateway, peer: await connectPeer(t, { port: gateway.mqttPort, agent: "pump-1", password }) };
}

test("agent add, list and remove", async (t) => {
  const gateway = await layGateway(t);
  const empty = await withConfig(gateway, "agent", "list", "--json");
  assert.deepEqual([empty.code, JSON.parse(empty.out)], [0, []]);
  const added = await withConfig(gateway, "agent", "add", "pump-1");
  assert.deepEqual([added.code, added.out.trim().length], [0, 43], "only the password is on stdout");
  assert.match(added.err, /shown only now/);
  const twice = await withConfig(gateway, "agent", "add", "pump-1");
  assert.deepEqual([twice.code, twice.out], [exitCodes.usage, ""]);
  assert.match(twice.err, /what now/);
  assert.equal((await withConfig(gateway, "agent", "add", "Pump 1")).code, exitCodes.usage);
  const listed = JSON.parse((await withConfig(gateway, "agent", "list", "--json")).out) as { agent: string }[];
  assert.deepEqual(
    listed.map(({ agent }) => agent),
    ["pump-1"],
  );
  assert.match((await withConfig(gateway, "agent", "list")).out, /^agent +added/);
  assert.equal((await withConfig(gateway, "agent", "remove", "pump-1")).code, 0);
  assert.equal((await withConfig(gateway, "agent", "remove", "pump-1")).code, exitCodes.usage);
});

test("check says every fault at once, each with its line and what to do; run refuses the same", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-check-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "gateway.yaml");
  const lines = [
    "nmae: site-3",
    "mqtt: { listen: 0.0.0.0:1883 }",
    "journal: { quota: 5 }",
    "queue: { segmentAge: 3 parsecs }",
    "sendWindow: 1000",
  ];
  writeFileSync(path, `${lines.join("\n")}\n`);
  const { code, out, err } = await cli("check", "--config", path);
  assert.equal(code, exitCodes.config);
  assert.match(out, /5 faults/);
  for (let line = 1; line <= lines.length; line++) assert.ok(err.includes(`gateway.yaml:${line}:`), err);
  assert.match(err, /what now: [^\n]*name/, "the nearest known key");
  assert.equal(err.match(/what now: /g)?.length, lines.length);
  const run = await cli("run", "--config", path);
  assert.deepEqual([run.code, run.err.match(/error: /g)?.length], [exitCodes.config, lines.length]);
  assert.equal((await cli("check", "--config", join(folder, "none.yaml"))).code, exitCodes.config);
});

test("init writes a sample that check finds right, and never over another file", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-init-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "gateway.yaml");
  assert.equal((await cli("init", path)).code, 0);
  const checked = await cli("check", "--config", path);
  assert.deepEqual([checked.code, checked.err], [0, ""]);
  const again = await cli("init", path);
  assert.deepEqual([again.code, /exists already/.test(again.err)], [exitCodes.usage, true]);
  assert.match((await cli("--version")).out, /^\d+\.\d+\.\d+\n$/);
  assert.equal((await cli("no-such-command")).code, exitCodes.usage);
});

test("status for people and for programs, of a gateway that runs and of one that does not", async (t) => {
  const { gateway, peer } = await running(t);
  const lane = await leaveGap(peer, 1);
  const status = JSON.parse((await withConfig(gateway, "status", "--json")).out) as GatewayStatus;
  assert.equal(status.connections, 1);
  assert.deepEqual(status.reports, [{ kind: "journal-lost", ...lane.lane, seqs: 3 }]);
  assert.ok(status.journalBytes > 0 && status.journalBytes < status.quotaBytes);
  const { code, out } = await withConfig(gateway, "status");
  assert.equal(code, 0);
  for (const word of ["connections", "waiting", "drained in", "journal", "lost", "refused", "alarms", "journal-lost"]) {
    assert.ok(out.includes(word), word);
  }
  const metrics = await (await fetch(`http://127.0.0.1:${gateway.adminPort}/metrics`)).text();
  assert.match(metrics, /^holdfast_gateway_alarms_total\{kind="journal-lost"\} 1$/m);
  const health = (await (await fetch(`http://127.0.0.1:${gateway.adminPort}/healthz`)).json()) as { status: string };
  assert.equal(health.status, "degraded");
  assert.deepEqual(await gateway.program.stop(), { code: 0, signal: null });
  const stopped = await withConfig(gateway, "status");
  assert.deepEqual([stopped.code, stopped.out], [exitCodes.unavailable, ""]);
  assert.match(stopped.err, /what now/);
  // Something else answers there, with JSON of another shape.
  for (const answer of ["null", "[]", '{"agent":"pump-1"}']) {
    const server = createServer((_, response) => response.end(answer));
    await new Promise<void>((resolve) => server.listen(gateway.adminPort, "127.0.0.1", resolve));
    const strange = await withConfig(gateway, "status");
    assert.deepEqual([strange.code, /defect/.test(strange.err)], [exitCodes.unavailable, false], answer);
    await new Promise((resolve) => server.close(resolve));
  }
});

test("declare-lost, with the gateway running and stopped; the loss records reach the queue once", async (t) => {
  const { gateway, peer } = await running(t);
  const [one, two] = [await leaveGap(peer, 1), await leaveGap(peer, 2)];
  for (const args of [
    [],
    ["--agent", "pump-1", "--first", "1", "--last", "2"],
    ["--agent", "pump-1", "--stream", "telemetry", "--epoch", one.lane.epoch, "--first", "0", "--last", "2"],
    ["--agent", "pump-1", "--stream", "telemetry", "--epoch", one.lane.epoch, "--first", "4"],
  ]) {
    const wrong = await withConfig(gateway, "declare-lost", ...args);
    assert.deepEqual([wrong.code, wrong.out], [exitCodes.usage, ""], args.join(" "));
  }
  const whileRunning = await withConfig(
    gateway,
    "declare-lost",
    "--agent",
    "pump-1",
    "--epoch",
    one.lane.epoch,
    "--json",
  );
  assert.deepEqual(JSON.parse(whileRunning.out), [{ lane: one.lane, reason: "journal-lost", seqs: 3 }]);
  const nothing = await withConfig(gateway, "declare-lost", "--agent", "nobody");
  assert.deepEqual(
    [nothing.code, nothing.out, nothing.err],
    [0, "", "nothing of that is open of agent nobody: the queue has it, or the gateway never heard of it\n"],
  );
  // Killed, so that its socket stays behind.
  await gateway.program.kill();
  assert.ok(existsSync(join(gateway.stateFolder, "control.sock")));
  const whileStopped = await withConfig(gateway, "declare-lost", "--agent", "pump-1");
  assert.deepEqual([whileStopped.code, whileStopped.err], [0, ""]);
  assert.match(whileStopped.out, new RegExp(`pump-1 +telemetry +${two.lane.epoch} +journal-lost +3`));
  await gateway.program.start();
  await until("all is forwarded", async () => (await gateway.program.status()).pendingReadings === 0);
  const losses = await until("the losses are in the queue", async () => {
    const found = (await gateway.lines()).filter(({ kind }) => kind === "loss");
    return found.length >= 2 && found;
  });
  assert.deepEqual(
    losses.map(({ epoch, firstSeq, lastSeq, reason }) => [epoch, firstSeq, lastSeq, reason]),
    [one, two].map(({ lane }) => [lane.epoch, 4, 6, "journal-lost"]),
  );
});

test("a slip in the configuration makes no new journal: declare-lost says that there is none", async (t) => {
  const gateway = await layGateway(t);
  const { code, err } = await withConfig(gateway, "declare-lost", "--agent", "pump-1");
  assert.equal(code, exitCodes.usage);
  assert.match(err, /no journal in/);
  assert.equal(existsSync(gateway.stateFolder), false);
  const queue = await withConfig(gateway, "queue", "read");
  assert.deepEqual([queue.code, queue.out], [exitCodes.usage, ""]);
});

test("one gateway per state folder; the second names the first", async (t) => {
  const { gateway } = await running(t);
  const second = await withConfig(gateway, "run");
  assert.equal(second.code, exitCodes.locked);
  assert.match(second.err, new RegExp(`process ${gateway.program.process().pid} holds it`));
});

test("another queue than the gateway's own is refused until somebody decides, and found again when it is back", async (t) => {
  const gateway = await layGateway(t);
  await gateway.program.start();
  const { groupId } = await gateway.program.status();
  await gateway.program.stop();
  assert.equal(readFileSync(join(gateway.stateFolder, "group.id"), "utf8"), `${groupId}\n`);
  const queue = join(gateway.stateFolder, "queue");
  renameSync(queue, `${queue}.away`);
  const refused = await withConfig(gateway, "run");
  assert.equal(refused.code, exitCodes.config);
  assert.match(refused.err, new RegExp(`belong to group ${groupId}`));
  assert.match(refused.err, /what now: put the queue of that group back/);
  rmSync(queue, { recursive: true });
  renameSync(`${queue}.away`, queue);
  await gateway.program.start();
  assert.equal((await gateway.program.status()).groupId, groupId);
  await gateway.program.stop();
  appendFileSync(gateway.program.configFile, `group: { id: "${"0".repeat(32)}" }\n`);
  const stated = await withConfig(gateway, "run");
  assert.deepEqual([stated.code, /the configuration says group 0+/.test(stated.err)], [exitCodes.config, true]);
});
