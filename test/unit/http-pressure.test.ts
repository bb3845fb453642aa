/** The HTTP input under pressure: slow and broken clients, its bounds, and its end. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { describe, it } from "node:test";
import { httpLimits } from "../../agent/inputs/http/limits.ts";
import { startHttp } from "../../agent/inputs/http.ts";
import { raw } from "../fakes/http-client.ts";
import { createTestContext, until } from "../fakes/input-context.ts";

const options = { host: "127.0.0.1", port: 0, stream: "telemetry", bodyBytesMax: 1_000_000 };

void describe("HTTP input under pressure", () => {
  const head = (length: number) =>
    `POST /v1/readings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;
  const row = '{"name":"a","value":1}';

  void it("cuts off who sends too slowly, and stores nothing", async () => {
    const context = createTestContext();
    const input = await startHttp(options, context, {
      ...httpLimits,
      headersTimeoutMs: 20,
      requestTimeoutMs: 40,
      checkMs: 10,
    });
    const answer = await raw(input, head(1_000), "{");
    assert.equal(answer.status, 408);
    assert.equal((await raw(input, "POST /v1/rea")).status, 408);
    assert.equal(context.intake.attempts, 0);
    await input.stop();
  });

  void it("reads no more bodies at a time than its budget allows (I8)", async () => {
    const context = createTestContext();
    const input = await startHttp({ ...options, bodyBytesMax: 100 }, context, { ...httpLimits, bodiesInFlight: 1 });
    const release = context.intake.hold();
    const padded = row.padEnd(60);
    const first = raw(input, head(60), padded);
    await until(() => context.intake.attempts === 1);
    const second = raw(input, head(60), padded);
    const third = raw(input, head(5), "oops!");
    // The third would fit, but comes after the second, so neither is answered before the first is done.
    let answered = false;
    void third.then(() => {
      answered = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(answered, false);
    assert.equal(context.intake.attempts, 1);
    release();
    assert.deepEqual([(await first).status, (await second).status, (await third).status], [204, 204, 400]);
    await input.stop();
  });

  void it("gives its budget back when a client goes away in the middle of a body", async () => {
    const context = createTestContext();
    const input = await startHttp({ ...options, bodyBytesMax: 100 }, context, { ...httpLimits, bodiesInFlight: 1 });
    const gone = connect(input.address.port, "127.0.0.1");
    await new Promise((resolve) => gone.write(`${head(100)}{`, resolve));
    gone.destroy();
    assert.equal((await raw(input, head(100), row.padEnd(100))).status, 204);
    assert.equal(context.intake.attempts, 1);
    await input.stop();
  });

  void it("gives its budget back when a client goes away while it waits for its turn", async () => {
    const context = createTestContext();
    const input = await startHttp({ ...options, bodyBytesMax: 100 }, context, { ...httpLimits, bodiesInFlight: 1 });
    const release = context.intake.hold();
    const first = raw(input, head(100), row.padEnd(100));
    await until(() => context.intake.attempts === 1);
    const gone = connect(input.address.port, "127.0.0.1");
    await new Promise((resolve) => gone.write(`${head(100)}{`, resolve));
    // The server sees the end before the turn comes: it reads the socket of a request that it has not begun to take.
    gone.resetAndDestroy();
    await raw(input, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    release();
    assert.equal((await first).status, 204);
    assert.equal((await raw(input, head(100), row.padEnd(100))).status, 204);
    assert.equal(context.intake.attempts, 2);
    await input.stop();
  });

  void it("bounds its connections (I8)", async () => {
    const input = await startHttp(options, createTestContext(), { ...httpLimits, connectionsMax: 1 });
    const first = connect(input.address.port, "127.0.0.1");
    await new Promise((resolve) => first.on("connect", resolve));
    await assert.rejects(raw(input, head(row.length), row), /ended|ECONNRESET|EPIPE/);
    first.destroy();
    await input.stop();
  });

  void it("finishes what is under way when it stops, and closes", async () => {
    const context = createTestContext();
    const input = await startHttp(options, context);
    const release = context.intake.hold();
    const answer = raw(input, head(row.length), row);
    await until(() => context.intake.attempts === 1);
    const stopped = input.stop();
    release();
    assert.equal((await answer).status, 204);
    await stopped;
    await assert.rejects(raw(input, head(row.length), row), /ECONNREFUSED/);
  });

  void it("does not wait for ever for a request that never ends", async () => {
    const input = await startHttp(options, createTestContext(), { ...httpLimits, stopMs: 20 });
    const socket = connect(input.address.port, "127.0.0.1");
    socket.on("error", () => {});
    await new Promise((resolve) => socket.write(head(100), resolve));
    await input.stop();
    socket.destroy();
  });

  void it("says which address is taken", async () => {
    const context = createTestContext();
    const input = await startHttp(options, context);
    await assert.rejects(startHttp({ ...options, port: input.address.port }, context), {
      code: "config",
      why: "another process listens there",
    });
    await input.stop();
  });
});
