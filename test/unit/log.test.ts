import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../shared/errors.ts";
import { humanLine, openLog } from "../../shared/log.ts";

function logged(write: (log: ReturnType<typeof openLog>) => void): string[] {
  const lines: string[] = [];
  write(openLog({ program: "holdfast-test", level: "info", destination: { write: (line) => lines.push(line) } }));
  return lines;
}

test("lines are JSON with a readable level and time; lower levels stay away", () => {
  const lines = logged((log) => {
    log.debug("never");
    log.info({ stream: "alarm" }, "hello");
  });
  assert.equal(lines.length, 1);
  const { time, ...rest } = JSON.parse(lines[0] ?? "");
  assert.match(time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.deepEqual(rest, { level: "info", program: "holdfast-test", stream: "alarm", msg: "hello" });
});

test("a fault is logged by its parts, a defect with its stack", () => {
  const [fault, defect] = logged((log) => {
    log.warn({ err: new Fault("full", { what: "w", why: "y", remedy: "r", retryable: true }) }, "refused");
    log.error({ err: new TypeError("oops") }, "broken");
  });
  assert.deepEqual(JSON.parse(fault ?? "").err, { code: "full", what: "w", why: "y", remedy: "r", retryable: true });
  assert.match(JSON.parse(defect ?? "").err.stack, /TypeError: oops\n/);
});

test("a person sees time of day, level, message, fields and the parts of a fault", () => {
  const [line] = logged((log) =>
    log.warn({ part: "uplink", err: new Fault("busy", { what: "w", remedy: "r" }) }, "waiting"),
  );
  const text = humanLine(line ?? "");
  assert.match(text, /^\d\d:\d\d:\d\d warn {2}waiting part=uplink\n {2}w\n {2}r\n$/);
});
