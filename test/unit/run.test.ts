import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";
import { pino } from "pino";
import { type Life, type ProcessPort, run } from "../../shared/run.ts";

/** A process that can be sent signals and tells how it exited. */
function fakeProcess() {
  const events = new EventEmitter();
  const exits: number[] = [];
  const port: ProcessPort = {
    on: (event, listener) => events.on(event, listener),
    removeListener: (event, listener) => events.removeListener(event, listener),
    exit: (code) => {
      exits.push(code);
      events.emit("exited");
    },
  };
  return { port, events, exits };
}

function fakeLog() {
  const lines: Record<string, unknown>[] = [];
  return { log: pino({ level: "trace" }, { write: (line) => lines.push(JSON.parse(line)) }), lines };
}

/** Parts that write down what happens to them. */
function parts() {
  const history: string[] = [];
  const begin = (life: Life, name: string): void => {
    history.push(`start ${name}`);
    life.onStop(name, async () => {
      await new Promise(setImmediate);
      history.push(`stop ${name}`);
    });
  };
  return { history, begin };
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} stops the parts in reverse order and ends with 0`, async () => {
    const { port, events, exits } = fakeProcess();
    const { history, begin } = parts();
    const code = await run(
      async (life) => {
        begin(life, "store");
        begin(life, "input");
        setImmediate(() => events.emit(signal));
      },
      fakeLog().log,
      port,
    );
    assert.equal(code, 0);
    assert.deepEqual(history, ["start store", "start input", "stop input", "stop store"]);
    assert.deepEqual(exits, []);
    assert.equal(events.listenerCount(signal), 0);
  });
}

test("a second signal exits at once", async () => {
  const { port, events, exits } = fakeProcess();
  let release = (): void => {};
  const running = run(
    async (life) => {
      life.onStop("slow", () => new Promise((resolve) => (release = resolve)));
      setImmediate(() => {
        events.emit("SIGTERM");
        setImmediate(() => events.emit("SIGINT"));
      });
    },
    fakeLog().log,
    port,
  );
  await once(events, "exited");
  assert.deepEqual(exits, [130]);
  release();
  await running;
});

test("the first part that fails stops all, and the run ends with 1", async () => {
  const { port } = fakeProcess();
  const { log, lines } = fakeLog();
  const { history, begin } = parts();
  const code = await run(
    async (life) => {
      begin(life, "store");
      setImmediate(() => life.fail("uplink", new Error("broken")));
      setImmediate(() => life.fail("input", new Error("later")));
    },
    log,
    port,
  );
  assert.equal(code, 1);
  assert.deepEqual(history, ["start store", "stop store"]);
  assert.ok(lines.some(({ part }) => part === "uplink"));
});

test("a start that fails stops what had started and throws its fault", async () => {
  const { port, events } = fakeProcess();
  const { history, begin } = parts();
  await assert.rejects(
    run(
      async (life) => {
        begin(life, "store");
        throw new Error("port taken");
      },
      fakeLog().log,
      port,
    ),
    /port taken/,
  );
  assert.deepEqual(history, ["start store", "stop store"]);
  assert.equal(events.listenerCount("SIGTERM"), 0);
});

test("a signal during the start ends it at the next part", async () => {
  const { port, events } = fakeProcess();
  const { history, begin } = parts();
  const code = await run(
    async (life) => {
      begin(life, "store");
      events.emit("SIGTERM");
      begin(life, "input");
      history.push("never reached");
    },
    fakeLog().log,
    port,
  );
  assert.equal(code, 0);
  assert.deepEqual(history, ["start store", "start input", "stop input", "stop store"]);
});

test("a part that does not stop cleanly keeps no other from it, and the run ends with 1", async () => {
  const { port, events } = fakeProcess();
  const { history, begin } = parts();
  const code = await run(
    async (life) => {
      begin(life, "store");
      life.onStop("input", () => Promise.reject(new Error("stuck")));
      setImmediate(() => events.emit("SIGTERM"));
    },
    fakeLog().log,
    port,
  );
  assert.equal(code, 1);
  assert.deepEqual(history, ["start store", "stop store"]);
});

test("the watchdog ends a stop that takes too long and names the part", async () => {
  const { port, events, exits } = fakeProcess();
  const { log, lines } = fakeLog();
  let release = (): void => {};
  const running = run(
    async (life) => {
      life.onStop("store", () => {});
      life.onStop("input", () => new Promise((resolve) => (release = resolve)));
      setImmediate(() => events.emit("SIGTERM"));
    },
    log,
    port,
    10,
  );
  await once(events, "exited");
  assert.deepEqual(exits, [1]);
  assert.equal(lines.at(-1)?.waitingFor, "input");
  release();
  await running;
});

test("a defect ends the process at once", async () => {
  const { port, events, exits } = fakeProcess();
  const { log, lines } = fakeLog();
  const running = run(async () => {}, log, port);
  events.emit("uncaughtException", new Error("defect"));
  assert.deepEqual(exits, [70]);
  assert.match(JSON.stringify(lines.at(-1)), /defect/);
  events.emit("SIGTERM");
  assert.equal(await running, 0);
});
