/** The HTTP input over real sockets: what it takes and what it refuses. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { type HttpInput, startHttp } from "../../agent/inputs/http.ts";
import { type Answer, answerOn, post, raw } from "../fakes/http-client.ts";
import { createTestContext, type TestContext, until } from "../fakes/input-context.ts";

const options = { host: "127.0.0.1", port: 0, stream: "telemetry", bodyBytesMax: 1_000_000 };

void describe("HTTP input", () => {
  let context: TestContext;
  let input: HttpInput;
  before(async () => {
    context = createTestContext();
    input = await startHttp(options, context);
  });
  after(() => input.stop());

  const row = '{"name":"a","value":1}';
  const json = "application/json";

  for (const [type, body, names] of [
    [json, `[${row},${row}]`, ["a", "a"]],
    ["application/json; charset=utf-8", row, ["a"]],
    ["application/x-ndjson", `${row}\n${row}\n`, ["a", "a"]],
    ["Application/NDJSON", row, ["a"]],
    ["application/senml+json", '[{"bn":"x/","n":"y","v":1}]', ["x/y"]],
    ["text/plain", "m,t=1 f=1,g=2", ["m.f", "m.g"]],
    ["application/vnd.influx", "m f=1", ["m.f"]],
  ] as const) {
    void it(`takes ${type} and answers 204 with the readings committed (I1)`, async () => {
      const from = context.intake.committed.length;
      const answer = await post(input, type, body);
      assert.equal(answer.status, 204);
      const requests = context.intake.committed.slice(from);
      assert.equal(requests.length, 1);
      assert.deepEqual(
        requests[0]?.portions.flatMap(({ readings }) => readings.map(({ name }) => name)),
        names,
      );
    });
  }

  void it("answers only after the commit (I1)", async () => {
    const release = context.intake.hold();
    const attempts = context.intake.attempts;
    let answered = false;
    const answer = post(input, json, row).then((got) => {
      answered = true;
      return got;
    });
    await until(() => context.intake.attempts > attempts);
    // An answer that left too early is here before those of two later requests.
    for (let i = 0; i < 2; i++) assert.equal((await post(input, "image/png", row)).status, 415);
    assert.equal(answered, false);
    release();
    assert.equal((await answer).status, 204);
  });

  void it("writes to the stream that the query names", async () => {
    await post(input, json, row, {}, "/v1/readings?stream=alarm");
    assert.equal(context.intake.readings("alarm").length, 1);
  });

  void it("takes line protocol at the paths of InfluxDB, whatever the content type, with gzip and precision", async () => {
    const type = "application/x-www-form-urlencoded";
    for (const path of ["/write?db=x&precision=s", "/api/v2/write?org=o&bucket=b&precision=s"]) {
      const answer = await post(input, type, gzipSync("m f=1 1780000000"), { "content-encoding": "gzip" }, path);
      assert.equal(answer.status, 204);
      assert.equal(context.intake.readings("telemetry").at(-1)?.timeUs, 1_780_000_000_000_000);
    }
  });

  void it("takes a chunked body", async () => {
    const head = `POST /v1/readings HTTP/1.1\r\nhost: [::1]:80\r\ncontent-type: ${json}\r\ntransfer-encoding: chunked\r\n\r\n`;
    const answer = await raw(input, head, `${row.length.toString(16)}\r\n${row}\r\n`, "0\r\n\r\n");
    assert.equal(answer.status, 204);
  });

  const big = "x".repeat(options.bodyBytesMax + 1);
  const bomb = gzipSync(Buffer.alloc(50_000_000, "a"));
  const refused: [what: string, status: number, () => Promise<Answer>][] = [
    ["malformed JSON", 400, () => post(input, json, '[{"name":"a","value":1},{]')],
    ["one bad reading among good ones", 400, () => post(input, json, `[${row},{"name":"","value":1}]`)],
    ["malformed NDJSON", 400, () => post(input, "application/x-ndjson", `${row}\noops\n`)],
    ["malformed line protocol", 400, () => post(input, "text/plain", "m f=1\nm f=\n")],
    ["NaN", 400, () => post(input, json, '{"name":"a","value":NaN}')],
    ["an integer beyond 2^53", 400, () => post(input, json, '{"name":"a","value":9007199254740993}')],
    ["a time outside 1970 to 2200", 400, () => post(input, json, '{"name":"a","timeUs":-1,"value":1}')],
    ["deep nesting", 400, () => post(input, json, "[".repeat(900_000))],
    ["a long name", 400, () => post(input, json, `{"name":"${"x".repeat(900_000)}","value":1}`)],
    ["invalid UTF-8", 400, () => post(input, json, Buffer.from([0x22, 0xff, 0x22]))],
    ["no body", 400, () => post(input, json, "")],
    ["an unknown stream", 400, () => post(input, json, row, {}, "/v1/readings?stream=nope")],
    ["an unknown parameter", 400, () => post(input, json, row, {}, "/v1/readings?steam=log")],
    ["an unknown precision", 400, () => post(input, "text/plain", "m f=1", {}, "/v1/readings?precision=h")],
    ["broken gzip", 400, () => post(input, json, "no gzip", { "content-encoding": "gzip" })],
    ["an unknown content type", 415, () => post(input, "text/html", row)],
    ["no content type", 415, () => post(input, undefined, row)],
    ["an unknown content encoding", 415, () => post(input, json, row, { "content-encoding": "br" })],
    ["a body too large by its head", 413, () => post(input, json, big)],
    ["a gzip bomb", 413, () => post(input, json, bomb, { "content-encoding": "gzip" })],
    ["a wrong method", 405, () => raw(input, "GET /v1/readings HTTP/1.1\r\nhost: localhost\r\n\r\n")],
    ["an unknown path", 404, () => post(input, json, row, {}, "/v2/readings")],
    ["a foreign Host", 403, () => post(input, json, row, { host: "evil.example" })],
    ["a Host that only begins like ours", 403, () => post(input, json, row, { host: "localhost.evil.example:80" })],
    ["an Origin, even our own", 403, () => post(input, json, row, { origin: "http://localhost" })],
    [
      "a preflight of a web page",
      403,
      () => raw(input, "OPTIONS /v1/readings HTTP/1.1\r\nhost: localhost\r\norigin: http://x\r\n\r\n"),
    ],
  ];
  for (const [what, status, send] of refused) {
    void it(`answers ${what} with ${status} and stores nothing (I1)`, async () => {
      const attempts = context.intake.attempts;
      const answer = await send();
      assert.equal(answer.status, status, answer.text);
      assert.equal(answer.headers.get("content-type"), "application/json");
      assert.ok(answer.error.what.length > 0);
      assert.ok((answer.error.remedy ?? "").length > 0, answer.text);
      assert.equal(context.intake.attempts, attempts);
    });
  }

  void it("names line and column in the answer", async () => {
    const answer = await post(input, "application/x-ndjson", `${row}\n{"name":"a","value":}\n`);
    assert.equal(answer.error.line, 2);
    assert.equal(answer.error.column, 21);
  });

  void it("stops reading a chunked body that grows too large, and says so", async () => {
    const socket = connect(input.address.port, "127.0.0.1");
    const answer = answerOn(socket);
    socket.write(
      `POST /v1/readings HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${json}\r\ntransfer-encoding: chunked\r\n\r\n`,
    );
    for (let sent = 0; sent <= options.bodyBytesMax; sent += 65_536) socket.write(`10000\r\n${"x".repeat(65_536)}\r\n`);
    const { status, headers } = await answer;
    assert.equal(status, 413);
    assert.equal(headers.get("connection"), "close");
  });

  void it("refuses a large body before it is sent where the client asks first", async () => {
    const answer = await raw(
      input,
      `POST /v1/readings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9999999\r\nexpect: 100-continue\r\n\r\n`,
    );
    assert.equal(answer.status, 413);
  });

  for (const code of ["full", "closed"] as const) {
    void it(`answers 503 with Retry-After where the intake is ${code}, and 204 once it is not`, async () => {
      context.intake.refuse(code);
      const answer = await post(input, json, row);
      context.intake.refuse(undefined);
      assert.equal(answer.status, 503);
      assert.ok(Number(answer.headers.get("retry-after")) > 0);
      assert.equal((await post(input, json, row)).status, 204);
    });
  }

  void it("keeps a connection for the next request, also after a refusal", async () => {
    const socket = connect(input.address.port, "127.0.0.1");
    const request = (body: string) =>
      `POST /v1/readings HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${json}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    let text = "";
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    socket.write(request(row) + request("oops") + request(row));
    await until(() => (text.match(/HTTP\/1\.1 \d+/g) ?? []).length === 3);
    assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 204", "HTTP/1.1 400", "HTTP/1.1 204"]);
    socket.destroy();
  });
});
