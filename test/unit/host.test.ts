/** The host input: a machine made of files, and the one that the tests run on. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { cpuFigures, memoryFigures, temperatureFigures, trafficFigures } from "../../agent/inputs/host/figures.ts";
import {
  parseDiskstats,
  parseMeminfo,
  parseMounts,
  parseNetDev,
  parseNumbers,
  parseStat,
} from "../../agent/inputs/host/parse.ts";
import { sampleTimeUs, startHost, untilNextMs } from "../../agent/inputs/host.ts";
import { readingFault } from "../../shared/reading.ts";
import { createTestContext, until } from "../fakes/input-context.ts";
import { createFakeIntake } from "../fakes/intake.ts";
import { createManualEnv } from "../fakes/manual-env.ts";

const startUs = 1_780_000_000_000_000;

void describe("host figures", () => {
  void it("share out CPU time between two looks", () => {
    const first = parseStat("cpu  10 0 10 80 0 0 0 0 5 0\ncpu0 10 0 10 80 0 0 0 0 0 0\nintr 1 2 3\n");
    const second = parseStat("cpu  30 0 20 130 20 0 0 0 9 0\ncpu0 30 0 20 130 20 0 0 0 0 0\n");
    assert.deepEqual(cpuFigures(first, second), [
      { name: "host.cpu.used", unit: "%", value: 30 },
      { name: "host.cpu.waiting", unit: "%", value: 20 },
      { name: "host.core.used", unit: "%", labels: { core: "0" }, value: 30 },
    ]);
    assert.deepEqual(cpuFigures(second, first), [], "counters that went back make no figure");
    assert.deepEqual(cpuFigures(first, first), [], "no time has passed");
  });

  void it("make rates of counters, but not over a reset", () => {
    const names = { inName: "in", outName: "out", label: "device" };
    const look = (inBytes: number, outBytes: number) => [{ name: "eth0", inBytes, outBytes }];
    const labels = { device: "eth0" };
    assert.deepEqual(trafficFigures(look(1_000, 0), look(21_000, 5_000), 10_000, names), [
      { name: "in", unit: "B/s", labels, value: 2_000 },
      { name: "out", unit: "B/s", labels, value: 500 },
    ]);
    assert.deepEqual(trafficFigures(look(1_000, 0), look(10, 0), 10_000, names), []);
    assert.deepEqual(trafficFigures([], look(10, 0), 10_000, names), []);
  });

  void it("read the kernel's tables", () => {
    assert.deepEqual(
      parseNetDev("Inter-|x\n face |bytes\n    lo: 1 0 0 0 0 0 0 0 1\n  eth0:254 6 0 0 0 0 0 0 43 4\n"),
      [{ name: "eth0", inBytes: 254, outBytes: 43 }],
    );
    const disks =
      " 254 0 vda 28600 5797 10 5208 6809 19078 20 3972\n 254 1 vda1 1 1 10 1 1 1 20 1\n 7 0 loop0 0 0 0 0 0 0 0 0\n";
    assert.deepEqual(parseDiskstats(disks, new Set(["vda", "loop0"])), [
      { name: "vda", inBytes: 5_120, outBytes: 10_240 },
    ]);
    const mounts = [
      "25 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw",
      "26 25 8:1 /x /bind rw - ext4 /dev/sda1 rw",
      "27 25 0:5 / /proc rw - proc proc rw",
      "28 25 8:2 / /mnt/my\\040disk rw - vfat /dev/sdb1 rw",
      "broken",
    ];
    assert.deepEqual(
      parseMounts(mounts.join("\n")).map(({ path }) => path),
      ["/", "/mnt/my disk"],
    );
    assert.deepEqual(
      memoryFigures(parseMeminfo("MemTotal: 10 kB\nMemAvailable: 4 kB\nHugePages: 3\nSwapTotal: 0 kB\n")),
      [
        { name: "host.memory.total", unit: "B", value: 10_240 },
        { name: "host.memory.available", unit: "B", value: 4_096 },
        { name: "host.memory.used", unit: "B", value: 6_144 },
      ],
    );
    assert.deepEqual(
      temperatureFigures("cpu", "48312\n").map(({ value }) => value),
      [48.312],
    );
    for (const text of ["", "x", "-274000", "9999999"]) assert.deepEqual(temperatureFigures("cpu", text), []);
  });

  void it("never fail on a text that is none of these", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 200 }), (text) => {
        parseStat(text);
        parseMeminfo(text);
        parseNetDev(text);
        parseDiskstats(text, new Set([text]));
        parseMounts(text);
        parseNumbers(text, 3);
      }),
    );
  });

  void it("keep to the multiples of the interval, also when a timer fires early or the clock steps", () => {
    assert.equal(untilNextMs(12_000, 10_000), 8_000);
    assert.equal(untilNextMs(20_000, 10_000), 10_000);
    assert.equal(untilNextMs(19_999, 10_000), 10_001);
    assert.equal(sampleTimeUs(20_003_000, 10_000), 20_000_000);
    assert.equal(sampleTimeUs(19_999_000, 10_000), 20_000_000);
    assert.equal(sampleTimeUs(24_000_000, 10_000), 24_000_000);
  });
});

void describe("host input", () => {
  let root: string;
  const put = async (path: string, text: string) => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  };
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "holdfast-host-"));
    await put("proc/stat", "cpu 10 0 10 80 0 0 0 0\n");
    await put("proc/loadavg", "0.5 0.25 0.125 1/102 5387\n");
    await put("proc/net/dev", "eth0: 1000 0 0 0 0 0 0 0 2000 0\n");
    await put("sys/class/thermal/thermal_zone0/type", "soc\n");
    await put("sys/class/thermal/thermal_zone0/temp", "51000\n");
    await put("sys/class/hwmon/hwmon1/name", "nvme\n");
    await put("sys/class/hwmon/hwmon1/temp1_input", "38500\n");
  });
  after(() => rm(root, { recursive: true }));

  const paths = () => ({ proc: join(root, "proc"), sys: join(root, "sys") });

  void it("gives all figures of a sample one aligned time, and does without what a machine lacks", async () => {
    const env = createManualEnv(startUs + 3_000_000);
    const context = createTestContext(createFakeIntake(), env);
    const input = startHost({ everyMs: 10_000, stream: "telemetry" }, context, paths());
    env.advance(7_002);
    await until(() => context.intake.committed.length === 1 && env.pending === 1);
    await put("proc/stat", "cpu 30 0 20 130 20 0 0 0\n");
    await put("proc/net/dev", "eth0: 11000 0 0 0 0 0 0 0 2000 0\n");
    env.advance(9_998);
    await until(() => context.intake.committed.length === 2);
    await input.stop();

    const [first = [], second = []] = context.intake.committed.map(({ portions }) => portions[0]?.readings);
    assert.ok(first.every(({ timeUs, stamped }) => timeUs === startUs + 10_000_000 && stamped));
    assert.ok(second.every(({ timeUs }) => timeUs === startUs + 20_000_000));
    const shown = second.map(({ name, unit, labels, value }) => [name, unit, labels ?? {}, value]);
    const order = (row: unknown[]) => JSON.stringify(row);
    shown.sort((a, b) => (order(a) < order(b) ? -1 : 1));
    assert.deepEqual(shown, [
      ["host.cpu.used", "%", {}, 30],
      ["host.cpu.waiting", "%", {}, 20],
      ["host.load.1", "1", {}, 0.5],
      ["host.load.15", "1", {}, 0.125],
      ["host.load.5", "1", {}, 0.25],
      ["host.network.received", "B/s", { interface: "eth0" }, 1_000],
      ["host.network.sent", "B/s", { interface: "eth0" }, 0],
      ["host.temperature", "Cel", { sensor: "nvme/temp1" }, 38.5],
      ["host.temperature", "Cel", { sensor: "soc/thermal_zone0" }, 51],
    ]);
  });

  void it("drops samples while the store is full, says so once, and goes on by itself", async () => {
    const env = createManualEnv(startUs);
    const context = createTestContext(createFakeIntake(), env);
    context.intake.refuse("full");
    const input = startHost({ everyMs: 10_000, stream: "telemetry" }, context, paths());
    for (let round = 1; round <= 3; round += 1) {
      env.advance(10_000);
      await until(() => context.intake.attempts === round && env.pending === 1);
    }
    context.intake.refuse(undefined);
    env.advance(10_000);
    await until(() => context.intake.committed.length === 1);
    assert.deepEqual(context.warnings, ["host samples are not taken for now"]);
    await input.stop();
  });

  void it("reads the machine that it runs on", async (test) => {
    if (process.platform !== "linux") return test.skip("there is no /proc here");
    const context = createTestContext();
    const input = startHost({ everyMs: 20, stream: "telemetry" }, context);
    await until(() => context.intake.committed.length === 2);
    await input.stop();
    const readings = context.intake.readings("telemetry");
    for (const reading of readings) assert.equal(readingFault(reading), undefined, reading.name);
    const names = new Set(readings.map(({ name }) => name));
    for (const name of ["host.load.1", "host.memory.total", "host.uptime"]) assert.ok(names.has(name), name);
  });
});
