/** What the gateway says of itself: the `status` command, /status, /healthz and /metrics read the same figures. */
import type { Registry } from "prom-client";
import type { Health } from "../shared/admin.ts";
import { Fault } from "../shared/errors.ts";
import { countText, durationText, rateText, sizeText } from "../shared/human.ts";
import { addCounter, addGauge } from "../shared/metrics.ts";
import { sizeOf } from "../shared/ranges.ts";
import type { Rate } from "../shared/rate.ts";
import { version } from "../shared/version.ts";
import type { Voice } from "../shared/voice.ts";
import type { Forwarder } from "./forwarder/forwarder.ts";
import type { Broker } from "./ingress/broker.ts";
import type { Ingress } from "./ingress/ingress.ts";
import type { Journal } from "./journal/journal.ts";
import type { StandbyQueue, StandbyStatus } from "./queue/standby/standby.ts";
import { standbyLines } from "./standby.ts";

export interface GatewayStatus {
  readonly gateway: string;
  readonly version: string;
  readonly groupId: string;
  readonly journalId: string;
  readonly connections: number;
  /** What the queue does not have yet. */
  readonly pendingReadings: number;
  readonly pendingBytes: number;
  /** What the queue has, and the journal keeps until the queue cannot lose it any more. */
  readonly settlingReadings: number;
  readonly settlingBytes: number;
  /** What the journal takes of its quota. */
  readonly journalBytes: number;
  readonly quotaBytes: number;
  readonly isDiskFull: boolean;
  readonly ratePerSecondIn: number;
  readonly ratePerSecondOut: number;
  readonly drainEtaMs: number | null;
  readonly forwarder: string;
  readonly trouble: string | null;
  /** Where the queue stands on two clusters. */
  readonly standby?: StandbyStatus;
  readonly forwardedReadings: number;
  /** Time since the queue last took something, ms; null where it took nothing since the start. */
  readonly forwardedAgoMs: number | null;
  readonly deadLetters: number;
  /** Of these and older ones, those that were replayed. */
  readonly replayedLetters: number;
  readonly lost: Readonly<Record<string, number>>;
  readonly refused: Readonly<Record<string, number>>;
  /** What ingress alarmed about since the start, by kind. */
  readonly alarms: Readonly<Record<string, number>>;
  /** What the queue had for good and no longer has, found since the start: a sentence each. */
  readonly gone: readonly string[];
  /** Lanes with seqs that nobody holds any more, as agents reported; `reports` names the first of them. */
  readonly reportsCount: number;
  readonly reports: readonly { kind: string; agent: string; stream: string; epoch: string; seqs: number }[];
}

/** Reports that the status names: a fleet that lost its cards must not make it endless (I8). */
const reportsMax = 1000;

export interface StatusSources {
  readonly name: string;
  readonly journal: Journal;
  readonly ingress: Ingress;
  readonly forwarder: Forwarder;
  readonly letters: { written(): number; replayed(): number };
  readonly standby?: Pick<StandbyQueue, "status">;
  readonly gone: () => readonly string[];
  /** Why the queue lets nothing leave the journal. */
  readonly holdsBack?: () => string | null;
  readonly broker: () => Broker | undefined;
  readonly rateIn: Rate;
}

export function statusOf(sources: StatusSources): GatewayStatus {
  const { name, journal, ingress, forwarder, letters, standby, broker, rateIn } = sources;
  const usage = journal.usage();
  const forwarding = forwarder.status();
  const perSecondIn = rateIn.perSecond();
  const reports = journal.reports();
  const { settling } = forwarding;
  const pendingReadings = Math.max(0, usage.readings - settling.readings);
  const gain = forwarding.readingsPerSecond - perSecondIn;
  return {
    gateway: name,
    version,
    groupId: journal.groupId,
    journalId: journal.journalId(),
    connections: broker()?.connections() ?? 0,
    pendingReadings,
    pendingBytes: Math.max(0, usage.bytes - settling.bytes),
    settlingReadings: settling.readings,
    settlingBytes: settling.bytes,
    journalBytes: usage.usedBytes,
    quotaBytes: usage.quotaBytes,
    isDiskFull: usage.isDiskFull,
    ratePerSecondIn: perSecondIn,
    ratePerSecondOut: forwarding.readingsPerSecond,
    drainEtaMs: pendingReadings === 0 ? 0 : gain > 0 ? (pendingReadings / gain) * 1000 : null,
    forwarder: forwarding.state,
    trouble: forwarding.trouble ?? sources.holdsBack?.() ?? null,
    ...(standby === undefined ? {} : { standby: standby.status() }),
    forwardedReadings: forwarding.readings,
    forwardedAgoMs: forwarding.committedAgoMs,
    deadLetters: letters.written(),
    replayedLetters: letters.replayed(),
    lost: forwarding.lost,
    refused: ingress.counters.nacks,
    alarms: ingress.counters.alarms,
    gone: sources.gone(),
    reportsCount: reports.length,
    reports: reports.slice(0, reportsMax).map(({ kind, lane, spans }) => ({ kind, ...lane, seqs: sizeOf(spans) })),
  };
}

export function healthOf(status: GatewayStatus): Health {
  const reasons = [...status.gone];
  if (status.trouble !== null) reasons.push(`Forwarding waits: ${status.trouble}.`);
  if (status.standby?.active === "standby") reasons.push("The readings go to the standby cluster.");
  if (status.reports.length > 0) reasons.push("Readings are open that nobody holds any more: see declare-lost.");
  if (status.deadLetters > 0)
    reasons.push(`${status.deadLetters} blocks or readings could not be written and are dead letters.`);
  const isFull = status.isDiskFull || status.journalBytes > 0.95 * status.quotaBytes;
  if (isFull) reasons.push(`The journal${status.isDiskFull ? "'s disk" : ""} is full; agents keep their readings.`);
  return { status: isFull ? "failing" : reasons.length > 0 ? "degraded" : "ok", reasons };
}

/**
 * What answered at the admin address, if that is a gateway.
 * @throws Fault `unavailable` where it is something else
 */
export function readStatus(answer: unknown): GatewayStatus {
  const { gateway, reports, lost, refused, alarms, gone } = (answer ?? {}) as Partial<GatewayStatus>;
  if (typeof gateway === "string" && Array.isArray(reports) && Array.isArray(gone) && lost && refused && alarms)
    return answer as GatewayStatus;
  throw new Fault("unavailable", {
    what: "what answers at the admin address is no gateway of this version",
    remedy: "name the configuration of the gateway with --config, or restart a gateway that was upgraded",
  });
}

export function sayStatus(voice: Voice, status: GatewayStatus): void {
  const some = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .filter(([, count]) => count > 0)
      .map(([key, count]) => `${countText(count)} ${key}`)
      .join(", ") || "none";
  const lines: [string, string][] = [
    ["gateway", `${status.gateway} (${status.version})`],
    ["group", status.groupId],
    ["connections", countText(status.connections)],
    ["waiting", `${countText(status.pendingReadings)} readings, ${sizeText(status.pendingBytes)}`],
    ["settling", `${countText(status.settlingReadings)} readings, ${sizeText(status.settlingBytes)}`],
    ["drained in", status.drainEtaMs === null ? "unknown" : durationText(status.drainEtaMs)],
    ["journal", `${sizeText(status.journalBytes)} of ${sizeText(status.quotaBytes)}`],
    ["in", rateText(status.ratePerSecondIn)],
    ["out", rateText(status.ratePerSecondOut)],
    ["forwarder", status.trouble === null ? status.forwarder : `${status.forwarder}: ${status.trouble}`],
    ...(status.standby === undefined ? [] : standbyLines(status.standby)),
    ["forwarded", `${countText(status.forwardedReadings)} readings since the start, ${lastText(status)}`],
    ["lost", some(status.lost)],
    ["dead letters", `${countText(status.deadLetters)}, ${countText(status.replayedLetters)} replayed`],
    ["refused", some(status.refused)],
    ["alarms", some(status.alarms)],
  ];
  const width = Math.max(...lines.map(([key]) => key.length));
  for (const [key, text] of lines) voice.say(`${key.padEnd(width)}  ${text}`);
  for (const text of status.gone) voice.say(text);
  if (status.reports.length === 0) return;
  voice.say("");
  if (status.reportsCount > status.reports.length) {
    voice.say(`the first ${status.reports.length} of ${countText(status.reportsCount)}:`);
  }
  voice.table(
    ["open", "agent", "stream", "epoch", "seqs"],
    status.reports.map(({ kind, agent, stream, epoch, seqs }) => [kind, agent, stream, epoch, countText(seqs)]),
  );
}

function lastText({ forwardedAgoMs }: GatewayStatus): string {
  return forwardedAgoMs === null ? "none yet" : `the last ${durationText(forwardedAgoMs)} ago`;
}

/** Registers the metrics of the gateway. */
export function addGatewayMetrics(registry: Registry, sources: StatusSources): void {
  const { journal, ingress, forwarder, letters, broker } = sources;
  addGauge(registry, {
    name: "holdfast_gateway_connections",
    help: "Agents that are connected.",
    read: () => broker()?.connections() ?? 0,
  });
  addGauge(registry, {
    name: "holdfast_gateway_pending_readings",
    help: "Readings in the journal that wait for the queue.",
    read: () => Math.max(0, journal.usage().readings - forwarder.status().settling.readings),
  });
  addGauge(registry, {
    name: "holdfast_gateway_settling_readings",
    help: "Readings that the queue has, and that the journal keeps until the queue cannot lose them any more.",
    read: () => forwarder.status().settling.readings,
  });
  addGauge(registry, {
    name: "holdfast_gateway_held_seqs",
    help: "Seqs that wait for a cluster which is away to tell whether it has them.",
    read: () => sources.standby?.status().heldSeqs ?? 0,
  });
  addGauge(registry, {
    name: "holdfast_gateway_on_standby",
    help: "1 while the standby cluster takes the readings.",
    read: () => (sources.standby?.status().active === "standby" ? 1 : 0),
  });
  addGauge(registry, {
    name: "holdfast_gateway_journal_bytes",
    help: "Bytes that the journal takes of its quota.",
    read: () => journal.usage().usedBytes,
  });
  addCounter(registry, {
    name: "holdfast_gateway_blocks_total",
    help: "Blocks received in batches since the start, repeats included.",
    read: () => ingress.counters.blocks,
  });
  addCounter(registry, {
    name: "holdfast_gateway_refusals_total",
    help: "NACKs sent since the start, by reason.",
    labels: ["reason"],
    read: () => Object.entries(ingress.counters.nacks).map(([reason, value]) => ({ labels: { reason }, value })),
  });
  addCounter(registry, {
    name: "holdfast_gateway_alarms_total",
    help: "What agents did that a person should know since the start, by kind.",
    labels: ["kind"],
    read: () => Object.entries(ingress.counters.alarms).map(([kind, value]) => ({ labels: { kind }, value })),
  });
  addCounter(registry, {
    name: "holdfast_gateway_forwarded_readings_total",
    help: "Readings committed to the queue since the start.",
    read: () => forwarder.status().readings,
  });
  addCounter(registry, {
    name: "holdfast_gateway_lost_readings_total",
    help: "Seqs that stand in the queue as lost since the start, by reason.",
    labels: ["reason"],
    read: () => Object.entries(forwarder.status().lost).map(([reason, value]) => ({ labels: { reason }, value })),
  });
  addCounter(registry, {
    name: "holdfast_gateway_dead_letters_total",
    help: "Dead letters that were written since the start.",
    read: () => letters.written(),
  });
  addCounter(registry, {
    name: "holdfast_gateway_replayed_letters_total",
    help: "Dead letters that were replayed since the start.",
    read: () => letters.replayed(),
  });
}
