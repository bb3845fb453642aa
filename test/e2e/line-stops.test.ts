/** How the programs of the line start and stop, alone and with each other. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { agentScript, command, gatewayScript } from "../../demo/line.ts";
import { tailOf } from "../../demo/processes.ts";
import { until } from "../../demo/waiting.ts";
import { agentName, assertPassed, layRealLine, type RealLine } from "../fakes/real-line.ts";

/** A line whose agent took some readings that no gateway has yet. */
async function withBacklog(t: TestContext): Promise<RealLine> {
  const real = await layRealLine(t);
  await real.line.agent.start();
  const producers = real.produce();
  await real.accepted(200);
  await producers.stop();
  return real;
}

async function drainsAndPasses(real: RealLine): Promise<void> {
  await real.drain();
  await real.stop();
  const result = await real.audit();
  assertPassed(result);
  assert.equal(result.lostSeqs, 0);
}

test("SIGTERM ends the agent with 0 within 5 s under load; what was not sent is kept and sent after the restart", async (t) => {
  const real = await layRealLine(t);
  const { line } = real;
  await line.agent.start();
  const producers = real.produce();
  await real.accepted(200);
  const { signal, ended } = line.agent.process();
  const startMs = performance.now();
  signal("SIGTERM");
  assert.deepEqual(await ended, { code: 0, signal: null });
  assert.ok(performance.now() - startMs < 5_000);
  await producers.stop();
  await line.agent.start();
  assert.ok((await line.agent.status()).pendingReadings >= 200, "it starts with all that it held");
  await line.gateway.start();
  await drainsAndPasses(real);
});

test("a second SIGTERM ends the agent at once", async (t) => {
  const real = await withBacklog(t);
  const { line } = real;
  // A request that is still open keeps the first stop waiting.
  const request = await openRequest(line.ports.http);
  const { signal, ended } = line.agent.process();
  signal("SIGTERM");
  await until("it says that it stops", () => tailOf(line.agent.logFile).includes('"msg":"stopping"'), 5_000, 5);
  signal("SIGTERM");
  assert.deepEqual(await ended, { code: 143, signal: null });
  request.destroy();
  await Promise.all([line.agent.start(), line.gateway.start()]);
  await drainsAndPasses(real);
});

/** Opens a request whose body never comes; resolves once the agent has asked for the body. */
async function openRequest(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1").on("error", () => undefined);
  const type = "content-type: application/json\r\ncontent-length: 100\r\nexpect: 100-continue\r\n\r\n";
  socket.write(`POST /v1/readings HTTP/1.1\r\nhost: 127.0.0.1\r\n${type}`);
  await once(socket, "data");
  return socket;
}

test("SIGTERM ends the gateway with 0 within 5 s under load, and nothing is lost or doubled", async (t) => {
  const real = await layRealLine(t);
  const { line } = real;
  await Promise.all([line.gateway.start(), line.agent.start()]);
  const producers = real.produce();
  await real.accepted(300);
  const startMs = performance.now();
  assert.deepEqual(await line.gateway.stop(), { code: 0, signal: null });
  assert.ok(performance.now() - startMs < 5_000);
  await line.gateway.start();
  await real.accepted(100);
  await producers.stop();
  await drainsAndPasses(real);
});

test("a second agent on the same store exits at once and names the process that has it", async (t) => {
  const real = await withBacklog(t);
  const { line } = real;
  const failed = await command(agentScript, ["run", "--config", line.agent.configFile]).then(
    () => undefined,
    (error: { code: number; stderr: string }) => error,
  );
  assert.equal(failed?.code, 75);
  assert.match(failed?.stderr ?? "", new RegExp(`process ${line.agent.process().pid} holds it`));
  await line.gateway.start();
  await drainsAndPasses(real);
});

test("an agent whose gateway is not there yet takes readings, says so, and sends once it is", async (t) => {
  const real = await withBacklog(t);
  const { link, pendingReadings, lastProblem } = await real.line.agent.status();
  assert.ok(link === "waiting to connect again" || link === "connecting", link);
  assert.ok(pendingReadings >= 200);
  assert.match(lastProblem ?? "", /ECONNREFUSED|refused/);
  await real.line.gateway.start();
  await drainsAndPasses(real);
});

test("an agent with a wrong password stays up, keeps what it takes and says what is wrong", async (t) => {
  const real = await layRealLine(t);
  const { line } = real;
  const passwordFile = join(line.folder, "agent.password");
  writeFileSync(passwordFile, "wrong\n", { mode: 0o600 });
  await Promise.all([line.gateway.start(), line.agent.start()]);
  const isRefused = async (): Promise<boolean> =>
    /does not know this agent, or its secret is another/.test((await line.agent.status()).lastProblem ?? "");
  await until("it says that it is refused", isRefused);
  const producers = real.produce();
  await real.accepted(200);
  await producers.stop();
  assert.equal((await line.gateway.status()).connections, 0);
  // The right one counts at the next connection; a restart makes that now instead of within the hour.
  await command(gatewayScript, ["agent", "remove", agentName, "--config", line.gateway.configFile]);
  const added = await command(gatewayScript, ["agent", "add", agentName, "--config", line.gateway.configFile]);
  writeFileSync(passwordFile, added.stdout, { mode: 0o600 });
  await line.agent.stop();
  await line.agent.start();
  await drainsAndPasses(real);
});
