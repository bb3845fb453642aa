/** The line when identities, gateways and room are not as they should be. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse, stringify } from "yaml";
import type { AgentStatus } from "../../agent/status.ts";
import { type AuditResult, openAudit } from "../../demo/audit.ts";
import { agentScript, command, gatewayScript, openProgram } from "../../demo/line.ts";
import { contentOf, readerOf } from "../../demo/memory.ts";
import { freePorts } from "../../demo/ports.ts";
import { type Answer, post } from "../../demo/post.ts";
import { readQueueLines } from "../../demo/read-queue.ts";
import { until } from "../../demo/waiting.ts";
import { agentName, assertPassed, layRealLine, type RealLine } from "../fakes/real-line.ts";

interface Config {
  readonly stateFolder: string;
  readonly gateway: object;
  readonly inputs: object;
}

/** Writes a config file with some sections changed. */
function changeConfig(from: string, to: string, change: (config: Config) => object): void {
  const config = parse(readFileSync(from, "utf8")) as Config;
  writeFileSync(to, stringify({ ...config, ...change(config) }));
}

async function send(real: RealLine, readings: number, port?: number): Promise<void> {
  const producers = real.produce(port);
  await real.accepted(readings);
  await producers.stop();
}

test("two agents with one identity, one a cloned folder of the other, both deliver, and nothing is doubled", async (t) => {
  const real = await layRealLine(t);
  const { line } = real;
  await line.agent.start();
  await send(real, 300);
  await line.agent.stop();
  const [http = 0, admin = 0] = await freePorts(2);
  const cloneState = join(line.folder, "clone");
  cpSync(line.agentState, cloneState, { recursive: true });
  const cloneConfig = join(line.folder, "clone.yaml");
  changeConfig(line.agent.configFile, cloneConfig, ({ inputs }) => ({
    stateFolder: cloneState,
    inputs: { ...inputs, http: { listen: `127.0.0.1:${http}` } },
    admin: { listen: `127.0.0.1:${admin}` },
  }));
  const clone = openProgram<AgentStatus>(agentScript, cloneConfig, join(line.folder, "clone.log"), admin);
  await Promise.all([line.gateway.start(), line.agent.start(), clone.start()]);
  await Promise.all([send(real, 100), send(real, 100, http)]);
  await real.drain();
  const isDrained = async (): Promise<boolean> => (await clone.status()).pendingReadings === 0;
  await until("the clone holds nothing back", isDrained, 30_000);
  await real.drain();
  await clone.stop();
  await real.stop();
  const result = await real.audit();
  assertPassed(result);
  assert.equal(result.lostSeqs, 0);
  assert.equal(result.epochs, 3, "the common past, and one epoch of each");
});

test("what a lost store took along stays open until declare-lost names it", async (t) => {
  const real = await layRealLine(t);
  const { line } = real;
  await Promise.all([line.gateway.start(), line.agent.start()]);
  await send(real, 200);
  await real.drain();
  await line.gateway.stop();
  const delivered = await lastLine(line.queueFolder);
  await send(real, 100);
  // The gateway hears in HELLO and ASK how far the agent is, and dies before it has what comes next.
  const { ended } = line.gateway.launch({
    environment: { ...process.env, HOLDFAST_CRASH_AT: "journal before commit:3" },
  });
  assert.equal((await ended).signal, "SIGKILL");
  await line.agent.kill();
  rmSync(line.agentState, { recursive: true });
  await Promise.all([line.gateway.start(), line.agent.start()]);
  await send(real, 50);
  await real.drain();
  const before = await real.audit();
  const lost = before.counts.lost ?? 0;
  assert.ok(lost >= 100, `${lost} readings went with the store`);
  const seqs = ["--first", String(delivered.seq + 1), "--last", String(delivered.seq + lost)];
  const where = ["--agent", agentName, "--stream", delivered.stream, "--epoch", delivered.epoch];
  const config = ["--config", line.gateway.configFile];
  const { stdout } = await command(gatewayScript, ["declare-lost", ...where, ...seqs, ...config]);
  assert.match(stdout, new RegExp(`${agentName} +${delivered.stream} +${delivered.epoch} +journal-lost +${lost}`));
  await real.drain();
  await real.stop();
  const result = await real.audit();
  assertPassed(result);
  assert.deepEqual([result.lostSeqs, result.lostNamed], [lost, lost]);
});

interface LineEnd {
  readonly stream: string;
  readonly epoch: string;
  readonly seq: number;
}

/** The line with the highest seq. */
async function lastLine(folder: string): Promise<LineEnd> {
  const found: LineEnd[] = [];
  await readQueueLines(folder, (text) => {
    const line = JSON.parse(text) as LineEnd;
    if (line.seq >= (found[0]?.seq ?? 0)) found[0] = line;
  });
  const [last] = found;
  if (last === undefined) throw new Error("the queue is empty");
  return last;
}

/** Points the agent of one line at the gateway of another. */
function pointAt(real: RealLine, other: RealLine): void {
  const { configFile } = real.line.agent;
  changeConfig(configFile, configFile, () => ({
    gateway: {
      urls: [`mqtt://127.0.0.1:${other.line.ports.mqtt}`],
      passwordFile: join(other.line.folder, "agent.password"),
    },
  }));
}

async function auditBoth(real: RealLine, other: RealLine, repeatsAllowed: boolean): Promise<AuditResult> {
  const audit = openAudit(real.memory, readerOf([], repeatsAllowed));
  for (const { line } of [real, other]) await readQueueLines(line.queueFolder, (text) => audit.take(text));
  return audit.end();
}

async function drainInto(real: RealLine, other: RealLine): Promise<void> {
  const isDrained = async (): Promise<boolean> =>
    (await real.line.agent.status()).pendingReadings === 0 && (await other.line.gateway.status()).pendingReadings === 0;
  await until("nothing waits", isDrained, 30_000);
}

test("move takes a settled agent to another group, and every reading is in one of the two queues, once", async (t) => {
  const [real, other] = await Promise.all([layRealLine(t), layRealLine(t)]);
  const { line } = real;
  await Promise.all([line.gateway.start(), line.agent.start(), other.line.gateway.start()]);
  await send(real, 200);
  await real.drain();
  await line.agent.stop();
  pointAt(real, other);
  await line.agent.start();
  await send(real, 50);
  const problem = async (): Promise<boolean> => ((await line.agent.status()).lastProblem ?? "").includes("group");
  await until("the agent refuses the other group", problem);
  await line.agent.stop();
  const refused = await command(agentScript, ["move", "--config", line.agent.configFile]).then(
    () => "",
    (error: { stderr: string }) => error.stderr,
  );
  assert.match(refused, /has not reported everything as forwarded/);
  // Back at its own gateway it delivers the rest; then it may go.
  const settled = join(line.folder, "settled.yaml");
  changeConfig(line.agent.configFile, settled, () => ({
    gateway: { urls: [`mqtt://127.0.0.1:${line.ports.mqtt}`], passwordFile: join(line.folder, "agent.password") },
  }));
  const home = openProgram<AgentStatus>(agentScript, settled, line.agent.logFile, line.ports.agentAdmin);
  // What was forwarded is told with the next greeting, so the operator may have to run it twice.
  const leave = async (): Promise<{ stdout: string }> => {
    await home.start();
    await until("the link is up", async () => (await home.status()).link === "up");
    await real.drain();
    await home.stop();
    return command(agentScript, ["move", "--config", line.agent.configFile]);
  };
  const moved = await until("all is settled", leave, 30_000);
  assert.match(moved.stdout, /left group/);
  await line.agent.start();
  await send(real, 100);
  await drainInto(real, other);
  await Promise.all([real.stop(), other.line.gateway.stop()]);
  const result = await auditBoth(real, other, false);
  assertPassed(result);
  assert.equal(result.repeated, 0);
});

test("move --abandon leaves a group that is gone: what it did not report forwarded comes to the other, marked", async (t) => {
  const [real, other] = await Promise.all([layRealLine(t), layRealLine(t)]);
  const { line } = real;
  await Promise.all([line.gateway.start(), line.agent.start()]);
  await send(real, 200);
  await until("the agent belongs to a group", async () => (await line.agent.status()).group);
  await line.gateway.kill();
  await send(real, 100);
  await line.agent.stop();
  const moved = await command(agentScript, ["move", "--abandon", "--config", line.agent.configFile]);
  assert.match(moved.stdout, /abandoned group/);
  pointAt(real, other);
  await Promise.all([line.agent.start(), other.line.gateway.start()]);
  await send(real, 100);
  await drainInto(real, other);
  await Promise.all([line.agent.stop(), other.line.gateway.stop()]);
  const result = await auditBoth(real, other, true);
  assertPassed(result);
  assert.equal(result.lostSeqs, 0);
});

test("a full store under reject answers 503 with Retry-After, keeps all it took, and takes again after the drain", async (t) => {
  const real = await layRealLine(t, {
    agent: () => ({ streams: [{ name: "telemetry", policy: "reject" }], store: { quota: "32MB" } }),
  });
  const { line } = real;
  await line.agent.start();
  const refused = await sendNoise(real, 200);
  assert.equal(refused?.status, 503);
  assert.match(refused?.headers["retry-after"] ?? "", /^\d+$/);
  assert.match(refused?.text ?? "", /no room/);
  await line.gateway.start();
  await real.drain();
  assert.equal(await sendNoise(real, 5), undefined, "it takes readings again");
  await real.drain();
  await real.stop();
  const result = await real.audit();
  assertPassed(result);
  assert.equal(result.lostSeqs, 0);
});

/** Sends bodies of half a MB that no codec makes smaller; returns the first refusal. */
async function sendNoise({ line, memory }: RealLine, bodies: number): Promise<Answer | undefined> {
  for (let body = 0; body < bodies; body++) {
    const texts = Array.from({ length: 10 }, () => randomBytes(24_000).toString("hex"));
    const to = { agent: agentName, stream: "telemetry" };
    const ids = texts.map((value) => memory.attempt(to, { name: "noise", value }, contentOf({ name: "noise" })));
    const json = JSON.stringify(texts.map((value) => ({ name: "noise", value })));
    const answer = await post(line.ports.http, "/v1/readings", "application/json", json);
    if (answer.status !== 204) return answer;
    memory.acknowledge(ids);
  }
  return undefined;
}
