import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { choice, count, duration, flag, groupId, pattern, size, text } from "../../shared/options/kinds.ts";
import { folder, listen, mqttUrl, nameOfHost, secretUrl, server } from "../../shared/options/places.ts";
import type { Kind } from "../../shared/options/table.ts";

const anyDuration = duration({ min: "0ms", max: "3650d" });
const anySize = size({ min: "0B", max: "8000TB" });

function value<T>(kind: Kind<T>, given: string): T {
  const parsed = kind.parse(given, "/base");
  assert.ok("value" in parsed, `${given} should be taken: ${JSON.stringify(parsed)}`);
  return parsed.value;
}

function refusal(kind: Kind<unknown>, given: string): { why: string; remedy: string } {
  const parsed = kind.parse(given, "/base");
  assert.ok("why" in parsed, `${given} should be refused`);
  return parsed;
}

test("durations become whole milliseconds", () => {
  const cases: [string, number][] = [
    ["0ms", 0],
    ["200ms", 200],
    ["1.5s", 1_500],
    ["5m", 300_000],
    ["1h", 3_600_000],
    ["7d", 604_800_000],
    ["10 s", 10_000],
  ];
  for (const [given, ms] of cases) assert.equal(value(anyDuration, given), ms, given);
});

test("sizes tell decimal units from binary ones", () => {
  const cases: [string, number][] = [
    ["64kB", 64_000],
    ["64KiB", 65_536],
    ["512MiB", 536_870_912],
    ["1.5GB", 1_500_000_000],
    ["1TiB", 2 ** 40],
    ["7B", 7],
  ];
  for (const [given, bytes] of cases) assert.equal(value(anySize, given), bytes, given);
});

test("a number without a unit is refused with the units that are right", () => {
  const { why, remedy } = refusal(anyDuration, "5");
  assert.match(why, /no unit/);
  assert.match(remedy, /ms, s, m \(minutes\), h or d/);
  assert.match(refusal(anySize, "5").remedy, /kB, MB.*decimal.*KiB.*binary/);
});

test("a wrong unit is refused, with the unit that was probably meant", () => {
  assert.match(refusal(anyDuration, "5sec").why, /"sec" is not a unit of a duration/);
  assert.match(refusal(anyDuration, "5MS").remedy, /perhaps 5ms/);
  assert.match(refusal(anySize, "512mb").remedy, /perhaps 512MB/);
  assert.match(refusal(anySize, "64KB").remedy, /perhaps 64kB/);
  assert.doesNotMatch(refusal(anySize, "5constructor").remedy, /perhaps/);
});

test("what is no measure at all is refused", () => {
  for (const given of ["", "fast", "-5s", "5s 3ms", "1e3s", "٥s", "0x10B", "NaN", "Infinitys", `${"9".repeat(40)}s`]) {
    refusal(anyDuration, given);
  }
});

test("values outside the bounds are refused with the bounds as written", () => {
  const bounded = duration({ min: "1s", max: "10m" });
  assert.match(refusal(bounded, "999ms").why, /least allowed is 1s/);
  assert.match(refusal(bounded, "11m").why, /largest allowed is 10m/);
  assert.equal(value(bounded, "10m"), 600_000);
});

test("whatever a measure takes, its JSON Schema takes too, and it is a safe whole number", () => {
  const schema = new RegExp(String(anySize.schema.pattern));
  const number = fc.oneof(fc.nat().map(String), fc.double({ min: 0, max: 1e6, noNaN: true }).map(String), fc.string());
  const unit = fc.oneof(fc.constantFrom("B", "kB", "MB", "GiB", "TB", "kb", "", " MB", "s"), fc.string());
  fc.assert(
    fc.property(number, unit, (amount, suffix) => {
      const given = `${amount}${suffix}`;
      const parsed = anySize.parse(given, "/");
      if (!("value" in parsed)) return;
      assert.ok(schema.test(given), given);
      assert.ok(Number.isSafeInteger(parsed.value) && parsed.value >= 0, given);
    }),
  );
});

test("counts, flags, words, texts and group ids", () => {
  assert.equal(value(count(0, 9), "9"), 9);
  assert.match(refusal(count(0, 9), "10").why, /largest allowed is 9/);
  for (const given of ["1.5", "0x1", "", "-1", "many"]) refusal(count(0, 9), given);
  assert.equal(value(flag, "true"), true);
  assert.match(refusal(flag, "yes").remedy, /true or false/);
  assert.match(refusal(choice(["reject", "drop-oldest"]), "drop").remedy, /reject, drop-oldest/);
  refusal(text(5), "");
  refusal(text(5), "longer");
  assert.equal(value(groupId, "0123456789abcdef0123456789abcdef").length, 32);
  refusal(groupId, "0123456789ABCDEF0123456789ABCDEF");
});

test("a regular expression is compiled before it is taken", () => {
  assert.equal(value(pattern, "t=(?<t>[0-9]+)"), "t=(?<t>[0-9]+)");
  assert.match(refusal(pattern, "t=(").why, /[Uu]nterminated/);
});

test("addresses are an IP address or localhost, and a port", () => {
  assert.deepEqual(value(listen, "127.0.0.1:7380"), { host: "127.0.0.1", port: 7380 });
  assert.deepEqual(value(listen, "[::1]:0"), { host: "::1", port: 0 });
  assert.deepEqual(value(listen, "localhost:1"), { host: "localhost", port: 1 });
  for (const given of ["7380", "127.0.0.1", "127.0.0.1:70000", "example.org:80", "[::zz]:1", "1.2.3:4", ":80", ""]) {
    assert.match(refusal(listen, given).remedy, /host:port/, given);
  }
});

test("gateways are reached over TLS, or in the clear on loopback only", () => {
  assert.equal(value(mqttUrl, "mqtts://gateway.example:8883"), "mqtts://gateway.example:8883");
  assert.equal(value(mqttUrl, "mqtt://127.0.0.1:1883"), "mqtt://127.0.0.1:1883");
  for (const given of ["mqtt://10.0.0.1", "http://127.0.0.1", "mqtts://u:p@host", "mqtts://host/path", "gateway", ""]) {
    assert.match(refusal(mqttUrl, given).remedy, /mqtts:\/\//, given);
  }
});

test("servers are a name or an address with a port, and their JSON Schema takes no less", () => {
  const schema = new RegExp(String(server.schema.pattern));
  for (const given of ["kafka-1.example:9092", "10.0.0.1:1", "[2001:db8::1]:65535", "localhost:9092", "my_broker:9"]) {
    assert.equal(value(server, given), given);
    assert.match(given, schema);
  }
  for (const given of [
    "kafka",
    "kafka:0",
    "kafka:70000",
    "a b:1",
    "::1:9092",
    "[x]:1",
    "http://k:1",
    "k:9092,l:9092",
    "",
  ]) {
    assert.match(refusal(server, given).remedy, /host:port/, given);
  }
});

test("secrets are sent over HTTPS, or to this machine", () => {
  for (const given of ["https://login.example/oauth2/token?x=1", "http://127.0.0.1:8080/token", "http://[::1]:80/t"]) {
    assert.equal(value(secretUrl, given), given);
    assert.match(given, new RegExp(String(secretUrl.schema.pattern)));
  }
  for (const given of ["http://login.example/token", "https://u:p@login.example/", "ftp://127.0.0.1/", "token", ""]) {
    assert.match(refusal(secretUrl, given).remedy, /https:\/\//, given);
  }
});

test("relative paths start from the given folder", () => {
  assert.equal(value(folder, "state"), "/base/state");
  assert.equal(value(folder, "/state"), "/state");
  refusal(folder, "a\0b");
});

test("a host name becomes a name that can be used", () => {
  assert.equal(nameOfHost("Pump_17.example.org", "agent"), "pump_17");
  assert.equal(nameOfHost("--Ünit 3", "agent"), "nit-3");
  assert.equal(nameOfHost("...", "agent"), "agent");
});
