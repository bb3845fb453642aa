import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import { type Health, startAdmin } from "../../shared/admin.ts";
import { askAdmin } from "../../shared/ask-admin.ts";
import { Fault } from "../../shared/errors.ts";
import { addCounter, addGauge, openMetrics } from "../../shared/metrics.ts";

interface Answer {
  readonly code: number;
  readonly type: string;
  readonly body: string;
}

function ask(port: number, path: string, method = "GET", host = `127.0.0.1:${port}`): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path, method, headers: { host }, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (part) => (body += part));
      response.on("end", () => {
        resolve({ code: response.statusCode ?? 0, type: response.headers["content-type"] ?? "", body });
      });
    });
    sent.on("error", reject).end();
  });
}

async function withAdmin(health: () => Health, use: (port: number) => Promise<void>): Promise<void> {
  const metrics = openMetrics("holdfast-test", "0.0.0");
  let pending = 3;
  addGauge(metrics, { name: "holdfast_pending_readings", help: "Waiting.", read: () => pending-- });
  addCounter(metrics, {
    name: "holdfast_lost_total",
    help: "Lost.",
    labels: ["reason"],
    read: () => [{ labels: { reason: "quota" }, value: 7 }],
  });
  const admin = await startAdmin("127.0.0.1", 0, {
    health,
    status: () => ({ pending: 5 }),
    metrics: async () => metrics,
  });
  try {
    await use(admin.port);
  } finally {
    await admin.stop();
  }
}

const ok = (): Health => ({ status: "ok", reasons: [] });

test("healthz answers 200 while readings are taken, 503 where they are refused", async () => {
  let health: Health = ok();
  await withAdmin(
    () => health,
    async (port) => {
      assert.deepEqual(await ask(port, "/healthz"), {
        code: 200,
        type: "application/json",
        body: '{"status":"ok","reasons":[]}\n',
      });
      health = { status: "degraded", reasons: ["no gateway answers"] };
      assert.equal((await ask(port, "/healthz")).code, 200);
      health = { status: "failing", reasons: ["the store is full"] };
      assert.equal((await ask(port, "/healthz")).code, 503);
      assert.deepEqual(await askAdmin("127.0.0.1", port, "/healthz"), health);
    },
  );
});

test("metrics are read when somebody scrapes, and never count twice", async () => {
  await withAdmin(ok, async (port) => {
    const first = await ask(port, "/metrics");
    assert.match(first.type, /^text\/plain; version=0\.0\.4/);
    assert.match(first.body, /^holdfast_pending_readings 3$/m);
    assert.match(first.body, /^# TYPE holdfast_lost_total counter$/m);
    assert.match(first.body, /^holdfast_build_info\{program="holdfast-test",version="0\.0\.0"\} 1$/m);
    assert.match(first.body, /^process_resident_memory_bytes \d+$/m);
    const second = await ask(port, "/metrics");
    assert.match(second.body, /^holdfast_pending_readings 2$/m);
    assert.match(second.body, /^holdfast_lost_total\{reason="quota"\} 7$/m);
  });
});

test("status is what the status command asks for", async () => {
  await withAdmin(ok, async (port) => assert.deepEqual(await askAdmin("127.0.0.1", port, "/status"), { pending: 5 }));
});

test("foreign hosts, other methods and unknown pages are refused", async () => {
  await withAdmin(ok, async (port) => {
    assert.equal((await ask(port, "/status", "GET", "evil.example")).code, 403);
    assert.equal((await ask(port, "/status", "GET", "127.0.0.1.evil.example")).code, 403);
    assert.equal((await ask(port, "/status", "GET", "localhost")).code, 200);
    assert.equal((await ask(port, "/status", "POST")).code, 405);
    assert.equal((await ask(port, "/other")).code, 404);
    assert.equal((await ask(port, "//[")).code, 404);
    assert.deepEqual(await ask(port, "/healthz", "HEAD"), { code: 200, type: "application/json", body: "" });
  });
});

test("a source that throws answers 500 and the server goes on", async () => {
  let broken = true;
  const health = (): Health => {
    if (broken) throw new Error("half stopped");
    return ok();
  };
  await withAdmin(health, async (port) => {
    assert.equal((await ask(port, "/healthz")).code, 500);
    broken = false;
    assert.equal((await ask(port, "/healthz")).code, 200);
  });
});

test("a port that is taken and a process that is not there are told as faults", async () => {
  let stopped = 0;
  await withAdmin(ok, async (port) => {
    stopped = port;
    const again = startAdmin("127.0.0.1", port, {
      health: ok,
      status: () => ({}),
      metrics: async () => openMetrics("x", "1"),
    });
    await assert.rejects(
      again,
      (error: unknown) => error instanceof Fault && error.why === "another process listens there",
    );
  });
  const unanswered = askAdmin("127.0.0.1", stopped, "/status");
  await assert.rejects(unanswered, (error: unknown) => error instanceof Fault && error.code === "unavailable");
});
