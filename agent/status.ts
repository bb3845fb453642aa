/** What the agent says of itself: the `status` command, /status, /healthz and /metrics read the same figures. */
import type { Health } from "../shared/admin.ts";
import type { Env } from "../shared/env.ts";
import { countText, durationText, rateText, sizeText } from "../shared/human.ts";
import type { Rate } from "../shared/rate.ts";
import { version } from "../shared/version.ts";
import type { Voice } from "../shared/voice.ts";
import type { RunningIntake } from "./intake.ts";
import type { Store } from "./store/store.ts";
import type { Uplink } from "./uplink/uplink.ts";

export interface AgentStatus {
  readonly agent: string;
  readonly version: string;
  readonly link: string;
  readonly gateway: string | null;
  readonly group: string | null;
  /** Wall time, RFC 3339; null before the first. */
  readonly lastAck: string | null;
  readonly pendingReadings: number;
  readonly pendingBytes: number;
  readonly pendingByStream: Readonly<Record<string, { readings: number; bytes: number }>>;
  /** Age of the oldest waiting reading, ms; null where nothing waits. */
  readonly oldestAgeMs: number | null;
  readonly ratePerSecondIn: number;
  readonly ratePerSecondOut: number;
  /** Time until nothing waits at the present rates, ms; null where it does not come nearer. */
  readonly drainEtaMs: number | null;
  readonly storeBytes: number;
  readonly quotaBytes: number;
  readonly deliveredKept: number;
  readonly lost: Readonly<Record<string, number>>;
  /** Readings that neither this store nor the journal has any more: open until an operator declares them lost. */
  readonly openReadings: number;
  readonly forks: number;
  readonly restingBlocks: number;
  readonly recovery: string | null;
  readonly lastProblem: string | null;
  /** When that was, RFC 3339. */
  readonly lastProblemAt: string | null;
  /** Why the gateway does not take this agent; null while it does. */
  readonly refusal: string | null;
  /** Time since the group was last heard of, ms. */
  readonly silentMs: number;
}

export interface StatusSources {
  readonly name: string;
  readonly store: Store;
  readonly intake: RunningIntake;
  readonly uplink: Uplink;
  readonly rateIn: Rate;
  readonly rateOut: Rate;
  readonly recovery: string | null;
  readonly env: Env;
}

const linkWords = {
  stopped: "stopped",
  waiting: "waiting to connect again",
  connecting: "connecting",
  greeting: "greeting",
  syncing: "up",
} as const;

export function statusOf({ name, store, uplink, rateIn, rateOut, recovery, env }: StatusSources): AgentStatus {
  const usage = store.usage();
  const link = uplink.status();
  const streams = [...usage.pending].map(([stream, { readings, bytes }]) => [stream, { readings, bytes }] as const);
  const pendingReadings = streams.reduce((sum, [, { readings }]) => sum + readings, 0);
  const perSecondIn = rateIn.perSecond();
  const perSecondOut = rateOut.perSecond();
  const gain = perSecondOut - perSecondIn;
  return {
    agent: name,
    version,
    link: linkWords[link.phase],
    gateway: link.gateway,
    group: link.group,
    lastAck: link.lastAckUs === null ? null : timeText(link.lastAckUs),
    pendingReadings,
    pendingBytes: streams.reduce((sum, [, { bytes }]) => sum + bytes, 0),
    pendingByStream: Object.fromEntries(streams),
    oldestAgeMs: usage.oldestUs === null ? null : Math.max(0, (env.wallUs() - usage.oldestUs) / 1000),
    ratePerSecondIn: perSecondIn,
    ratePerSecondOut: perSecondOut,
    drainEtaMs: pendingReadings === 0 ? 0 : gain > 0 ? (pendingReadings / gain) * 1000 : null,
    storeBytes: usage.usedBytes,
    quotaBytes: usage.quotaBytes,
    deliveredKept: usage.delivered.readings,
    lost: Object.fromEntries(usage.losses),
    openReadings: usage.goneReadings,
    forks: link.forks,
    restingBlocks: link.resting,
    recovery,
    lastProblem: link.problem?.text ?? null,
    lastProblemAt: link.problem === null ? null : timeText(link.problem.atUs),
    refusal: link.refusal,
    silentMs: link.silentMs,
  };
}

const dayMs = 86_400_000;

const timeText = (timeUs: number): string => new Date(timeUs / 1000).toISOString();

export function healthOf(status: AgentStatus): Health {
  const reasons: string[] = [];
  if (status.refusal !== null) reasons.push(`The gateway does not take this agent: ${status.refusal}.`);
  if (status.pendingReadings > 0 && status.silentMs > dayMs) {
    reasons.push(`Readings wait, and the group was not heard of for ${durationText(status.silentMs)}.`);
  }
  if (status.openReadings > 0) reasons.push(`${countText(status.openReadings)} readings are open: see declare-lost.`);
  if (status.forks > 0) reasons.push("Another copy of this agent wrote under its name; readings were appended again.");
  if (status.restingBlocks > 0) reasons.push(`The gateway cannot take ${status.restingBlocks} blocks.`);
  if (status.recovery !== null) reasons.push(`The store was repaired at the start: ${status.recovery}.`);
  if (status.storeBytes > 0.9 * status.quotaBytes && status.pendingReadings > 0) {
    reasons.push("The store is nearly full of waiting readings.");
  }
  return { status: reasons.length === 0 ? "ok" : "degraded", reasons };
}

export function sayStatus(voice: Voice, status: AgentStatus): void {
  const eta = status.drainEtaMs;
  const drained = eta === null ? "does not come nearer" : eta === 0 ? "nothing waits" : `in ${durationText(eta)}`;
  const lost = Object.entries(status.lost).map(([reason, readings]) => `${countText(readings)} ${reason}`);
  const lines: [string, string][] = [
    ["agent", `${status.agent} (${status.version})`],
    ["link", status.gateway === null ? status.link : `${status.link}, ${status.gateway}`],
    ["last acknowledgement", status.lastAck ?? "none yet"],
    ["waiting", `${countText(status.pendingReadings)} readings, ${sizeText(status.pendingBytes)}`],
    ["oldest", status.oldestAgeMs === null ? "nothing waits" : durationText(status.oldestAgeMs)],
    ["in", rateText(status.ratePerSecondIn)],
    ["out", rateText(status.ratePerSecondOut)],
    ["drained", drained],
    ["store", `${sizeText(status.storeBytes)} of ${sizeText(status.quotaBytes)}`],
    ["lost", lost.length === 0 ? "none" : lost.join(", ")],
  ];
  if (status.openReadings > 0) lines.push(["open", `${countText(status.openReadings)} readings that nobody holds`]);
  if (status.recovery !== null) lines.push(["repaired", status.recovery]);
  if (status.lastProblem !== null) lines.push(["last problem", `${status.lastProblem} (${status.lastProblemAt})`]);
  const width = Math.max(...lines.map(([key]) => key.length));
  for (const [key, text] of lines) voice.say(`${key.padEnd(width)}  ${text}`);
}
