/** One campaign: load, blows, healing, draining, and the audit with Kafka's own consumer. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Brokers, startBrokers } from "../../demo/kafka/brokers.ts";
import { sleep, until } from "../../demo/waiting.ts";
import { messageOf } from "../../shared/errors.ts";
import type { KafkaAudit } from "./audit.ts";
import { type KafkaLine, layKafkaLine } from "./line.ts";
import { killKinds, openStrikes, type StrikeKind, type Strikes } from "./strikes.ts";

export interface CampaignOptions {
  readonly minutes: number;
  /** Within these minutes, spread over them. */
  readonly kills: number;
  readonly nodes: 1 | 3;
  /** Called now and then with what is going on. */
  readonly tell: (text: string) => void;
}

export interface CampaignResult {
  readonly ok: boolean;
  readonly seconds: number;
  readonly kills: number;
  readonly strikes: Readonly<Record<StrikeKind, number>>;
  readonly attempted: number;
  /** Told 204. */
  readonly accepted: number;
  /** Read by a read_committed consumer. */
  readonly queued: number;
  readonly namedLost: number;
  readonly doubled: number;
  readonly holes: number;
  readonly orderBreaks: number;
  /** Whatever else was found, in words, and examples of the above. */
  readonly findings: readonly string[];
  /** Where everything still lies, after a finding. */
  readonly folder: string | null;
}

/** What is slow about a fail-over are back-offs of up to a minute. */
const drainWithinMs = 240_000;
const startWithinMs = 60_000;
const tellEveryMs = 10_000;

export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const startMs = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "holdfast-campaign-"));
  const brokers = await startBrokers(options.nodes);
  try {
    const line = await layKafkaLine({ folder, brokers, namespace: "campaign" });
    const fought = await fight(options, line, brokers);
    if (fought.ok) rmSync(folder, { recursive: true, force: true });
    const seconds = Math.round((performance.now() - startMs) / 1000);
    return { ...fought, seconds, folder: fought.ok ? null : folder };
  } finally {
    await brokers.stop();
  }
}

type Fought = Omit<CampaignResult, "seconds" | "folder">;

async function fight(options: CampaignOptions, line: KafkaLine, brokers: Brokers): Promise<Fought> {
  const { tell } = options;
  const strikes = openStrikes(line, brokers, Math.random);
  try {
    await until("the gateway answers", () => line.gateway.status(), startWithinMs);
    await Promise.all(line.agents.map((agent) => agent.start()));
    const load = line.produce({ pauseMs: 100 });
    await line.forwarded();
    await strikeAll(options, line, strikes);
    await load.stop();
    tell("The load has ended. Everything comes back, and drains.");
    await strikes.heal();
    const stuck = await line.drain(drainWithinMs).then(
      () => [],
      (error: unknown) => [messageOf(error)],
    );
    strikes.end();
    await line.stop();
    tell("Kafka's own consumer reads what is there.");
    return judge(await line.audit(), strikes, stuck);
  } finally {
    strikes.end();
    await line.end();
  }
}

async function strikeAll({ minutes, kills, tell }: CampaignOptions, line: KafkaLine, strikes: Strikes): Promise<void> {
  const beginMs = performance.now();
  const lastsMs = minutes * 60_000;
  let toldMs = beginMs;
  while (performance.now() < beginMs + lastsMs || killsIn(strikes) < kills) {
    const passedMs = performance.now() - beginMs;
    // Later than due, so as many as are wanted; never in step.
    const due = (passedMs / lastsMs) * kills;
    const meanMs = lastsMs / kills;
    await sleep(Math.random() * 2 * (killsIn(strikes) < due ? meanMs / 2 : meanMs));
    strikes.strike();
    if (performance.now() < toldMs + tellEveryMs) continue;
    toldMs = performance.now();
    tell(
      `${Math.round(passedMs / 1000)} s: ${killsIn(strikes)} kills, ${line.memory.acknowledged.size} readings accepted`,
    );
  }
}

function killsIn({ counts }: Strikes): number {
  return killKinds.reduce((sum, kind) => sum + counts[kind], 0);
}

function judge(audit: KafkaAudit, strikes: Strikes, stuck: readonly string[]): Fought {
  const { counts, orderBreaks } = audit;
  const count = (...kinds: (keyof typeof counts)[]): number =>
    kinds.reduce((sum, kind) => sum + (counts[kind] ?? 0), 0);
  const examples = audit.findings.map(({ kind, text }) => `${kind}: ${text}`);
  const findings = [...strikes.troubles, ...stuck, ...examples, ...audit.breaks];
  return {
    ok: findings.length === 0,
    kills: killsIn(strikes),
    strikes: strikes.counts,
    attempted: audit.attempted,
    accepted: audit.acknowledged,
    queued: audit.queued,
    namedLost: audit.lostSeqs,
    doubled: count("doubled", "seq doubled"),
    holes: count("lost", "seq missing"),
    orderBreaks,
    findings,
  };
}
