/**
 * The whole line as real processes in a folder, producers that remember what they were told, and the audit at the end.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type AuditResult, openAudit, passed } from "../../demo/audit.ts";
import { type Line, type LineOptions, layLine } from "../../demo/line.ts";
import { openMemory, type Remembered, readerOf } from "../../demo/memory.ts";
import { type Producers, startProducers } from "../../demo/producers.ts";
import { followQueue, readQueueLines } from "../../demo/read-queue.ts";
import { until } from "../../demo/waiting.ts";
import { atEnd } from "./at-end.ts";

export interface RealLine {
  readonly line: Line;
  readonly memory: Remembered;
  /** Starts producers that send to a port, the agent's where absent; they go on until they are stopped. */
  produce(port?: number): Producers;
  /** Waits until `readings` more were acknowledged. */
  accepted(readings: number): Promise<void>;
  /** Waits until neither agent nor gateway holds anything back. */
  drain(): Promise<void>;
  /** Waits until the queue holds this many lines of a stream: how far a tailed file was read shows nowhere else. */
  queued(stream: string, lines: number): Promise<void>;
  /** Stops both, in the order in which data walks. */
  stop(): Promise<void>;
  audit(options?: { repeatsAllowed?: boolean }): Promise<AuditResult>;
}

export interface RealLineOptions extends Partial<Pick<LineOptions, "agent" | "gateway">> {
  /** Where the line's folder is made; a temporary folder where absent. */
  readonly folder?: string;
  /** Where the gateway's config puts the queue, where that is not the ordinary place. */
  readonly queueFolder?: string;
}

export const agentName = "pump-17";
const stream = "telemetry";

/** A folder that is removed after the test. */
export function testFolder(t: TestContext, name = "crash"): string {
  const folder = mkdtempSync(join(tmpdir(), `holdfast-${name}-`));
  atEnd(t, () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Lays a line out whose queue rolls over often and whose telemetry is never dropped. */
export async function layRealLine(t: TestContext, options: RealLineOptions = {}): Promise<RealLine> {
  const line = await layLine({
    folder: options.folder ?? testFolder(t),
    agentName,
    gateway: (ports) => ({ queue: { segmentAge: "300ms", segmentBytes: "64kB" }, ...options.gateway?.(ports) }),
    agent: (ports, passwordFile) => ({
      streams: [{ name: stream, policy: "reject" }],
      ...options.agent?.(ports, passwordFile),
    }),
  });
  const queueFolder = options.queueFolder ?? line.queueFolder;
  const memory = openMemory();
  const producers: Producers[] = [];
  atEnd(t, async () => {
    await Promise.all(producers.map((one) => one.stop()));
    for (const program of [line.agent, line.gateway]) if (program.wasStarted()) await program.kill();
  });
  let series = 0;
  return {
    line,
    memory,
    produce(port = line.ports.http) {
      // Ids go on where an earlier set of producers ended.
      const first = 1 + series++ * 1_000_000;
      const started = startProducers({
        port,
        agent: agentName,
        stream,
        memory,
        bodyReadingsMax: 20,
        pauseMs: 5,
        first,
      });
      producers.push(started);
      return started;
    },
    async accepted(readings) {
      const goal = memory.acknowledged.size + readings;
      await until(`${readings} more readings are acknowledged`, () => memory.acknowledged.size >= goal, 20_000, 5);
    },
    async drain() {
      const isDrained = async (): Promise<boolean> => {
        const [agent, gateway] = await Promise.all([line.agent.status(), line.gateway.status()]);
        return agent.pendingReadings === 0 && gateway.pendingReadings === 0;
      };
      await until("nothing waits", isDrained, 30_000);
    },
    async queued(name, lines) {
      const follower = followQueue(queueFolder);
      try {
        await until(`${lines} lines of ${name} are queued`, () => follower.count(name) >= lines, 30_000);
      } finally {
        await follower.stop();
      }
    },
    async stop() {
      assert.deepEqual(await line.agent.stop(), { code: 0, signal: null }, "the agent stops in peace");
      assert.deepEqual(await line.gateway.stop(), { code: 0, signal: null }, "the gateway stops in peace");
    },
    async audit({ repeatsAllowed = false } = {}) {
      const audit = openAudit(memory, readerOf([], repeatsAllowed));
      await readQueueLines(queueFolder, (text) => audit.take(text));
      return audit.end();
    },
  };
}

/** Fails with the audit's own words where it found anything. */
export function assertPassed(result: AuditResult): void {
  const findings = result.findings.map(({ kind, text }) => `${kind}: ${text}`).join("\n");
  assert.ok(passed(result), `${JSON.stringify(result.counts)}\n${findings}`);
}
