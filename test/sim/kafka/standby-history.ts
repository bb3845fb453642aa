/**
 * One random history of the queue on two clusters: the shipped forwarder and queue over two clusters in memory, each of
 * which is away, loses the ends of its logs and comes back as it likes, while the gateway changes between them by
 * itself and on command. README.md tells more.
 */
import pino from "pino";
import { type Forwarder, startForwarder } from "../../../gateway/forwarder/forwarder.ts";
import { openKafkaQueue } from "../../../gateway/queue/kafka/kafka.ts";
import { bothSides, type LaneSpans, type Ledger, type Side } from "../../../gateway/queue/standby/ledger.ts";
import { type StandbyQueue, standbyQueue } from "../../../gateway/queue/standby/standby.ts";
import { hex } from "../../../shared/env.ts";
import { Fault, messageOf } from "../../../shared/errors.ts";
import { type AgentLane, agentLane, synced } from "../../fakes/agent-lane.ts";
import { readings } from "../../fakes/counted-blocks.ts";
import { type FakeCluster, fakeCluster } from "../../fakes/kafka-cluster.ts";
import { largeRoom } from "../../fakes/kafka-queue.ts";
import { createClock, type Life, newLife } from "../clock.ts";
import { seededDice } from "../dice.ts";
import { newMachine, processEnv } from "../env.ts";
import { countedFormat, dataTopic, deadLetterTopic, lossTopic } from "./counted-format.ts";
import type { HistoryResult } from "./history.ts";
import { lightJournal } from "./light-journal.ts";
import { auditSides } from "./standby-audit.ts";

const secondMs = 1_000;
const minuteMs = 60_000;
const faultsMs = 15 * minuteMs;
const calmMs = 40 * minuteMs;
const settleMs = 8_000;
const namespace = "holdfast";
const positionsTopic = "positions";

export async function runStandbyHistory(
  seed: number,
  trace: (line: string) => void = () => {},
): Promise<HistoryResult> {
  const dice = seededDice(seed);
  const clock = createClock();
  const counts = new Map<string, number>();
  const findings: { kind: string; text: string }[] = [];
  const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);
  const say = (line: string): void => trace(`${(clock.nowMs() / secondMs).toFixed(3)} ${line}`);
  const find = (kind: string, text: string): void => {
    findings.push({ kind, text });
    say(`FINDING ${kind} ${text}`);
  };
  const [shards, partitions] = [dice.pick([1, 1, 2]), dice.pick([1, 2])];
  const diskMs = dice.pick([1, 20, 500]);
  const [failsAt, latencyMs] = [dice.pick([0, 0.02, 0.1]), dice.pick([5, 50, 400])];
  const rules = {
    isAutomatic: dice.chance(0.8),
    switchAfterMs: dice.pick([20, 60]) * secondMs,
    backAfterMs: dice.pick([20, 90]) * secondMs,
    inDoubt: dice.chance(0.15) ? ("repeat" as const) : ("hold" as const),
  };
  /** Where a person gives a cluster up, nobody can say what a journal that is lost besides had sent there. */
  const mayAbandon = dice.chance(0.25);
  let calm = false;
  let abandoned: Side | null = null;

  const clusterOf = (side: Side): FakeCluster =>
    fakeCluster({
      topics: { [dataTopic]: partitions, [lossTopic]: 1, [deadLetterTopic]: 1, [positionsTopic]: shards },
      nowMs: clock.nowMs,
      clusterId: () => side,
      fault: () =>
        calm || !dice.chance(failsAt) ? undefined : dice.pick(["request lost", "answer lost", "markers late"] as const),
      pause: () => new Promise((resolve) => void clock.after(dice.wait(latencyMs), null, resolve)),
      transactionTimeoutMs: minuteMs,
      tell: (line) => say(`   ${side} ${line}`),
    });
  const clusters: Record<Side, FakeCluster> = { primary: clusterOf("primary"), standby: clusterOf("standby") };
  const journal = lightJournal();
  const log = pino(
    { level: "info", base: null, timestamp: false },
    { write: (line) => say(`   log ${line.slice(0, 1600).trim()}`) },
  );
  const lanes: AgentLane[] = ["pump-1", "well-3"].map((agent, at) => agentLane({ agent, store: at + 1 }));
  let groupId: string | null = null;
  const gateways: { life: Life; queue?: StandbyQueue; forwarder?: Forwarder }[] = [];

  function startGateway(): void {
    // Several that fence each other are a fault of these minutes; an operator then leaves one.
    if (calm && running().length > 0) return;
    const life = newLife();
    const gateway: (typeof gateways)[number] = { life };
    gateways.push(gateway);
    const name = `gateway ${gateways.length}`;
    const end = (why: string): void => {
      if (!life.alive) return;
      life.alive = false;
      say(`${name} ends: ${why}`);
      clock.after(dice.wait(10 * secondMs), null, startGateway);
    };
    const guard = (action: () => void) => () => {
      try {
        action();
      } catch (error) {
        find("FAILED", String((error as Error).stack));
      }
    };
    const env = processEnv(clock, newMachine(dice.split()), life, dice.split(), guard);
    say(`${name} starts`);
    const answering = () => new Promise<void>((resolve) => void clock.after(dice.wait(latencyMs), life, resolve));
    const writing = () => new Promise<void>((resolve) => void clock.after(dice.wait(diskMs), life, resolve));
    const format = countedFormat(namespace, partitions);
    const makeTopic = (topic: string): never => {
      throw new Error(`nobody should make ${topic}`);
    };
    const own = { env, log, format, namespace, positionsTopic, deadLetterTopic, room: largeRoom, settleMs, makeTopic };
    const openSide = (side: Side, mayMake: boolean, signal: AbortSignal) => {
      const make =
        mayMake && side === "standby" ? { groupId: groupId as string, queueId: hex(env.randomBytes(16)) } : null;
      return openKafkaQueue({ ...own, cluster: clusters[side].connect(answering), groupId, make, signal });
    };
    async function start(): Promise<void> {
      if (groupId === null) {
        const first = await openSide("primary", false, new AbortController().signal);
        groupId = first.groupId;
        await first.close();
      }
      if (!life.alive) return;
      const remembered = journal.positions();
      const queue = standbyQueue({ groupId, remembered, open: openSide, rules, abandoned: null, env, log });
      gateway.queue = queue;
      const { journalId } = journal;
      queue.begin({ ledger: told(journal.ledger, name, say, writing), journalId, meetQueue: () => Promise.resolve() });
      gateway.forwarder = startForwarder({ journal, queue, env, log, onStopped: (fault) => end(fault.message) });
    }
    start().catch((error: unknown) => {
      if (!life.alive) return;
      if (!(error instanceof Fault)) find("FAILED", String((error as Error).stack ?? messageOf(error)));
      end(messageOf(error));
    });
  }

  const running = (): typeof gateways => gateways.filter(({ life }) => life.alive);
  const giveUp = (side: Side): void => {
    const [one] = running();
    one?.queue?.abandon(side).catch((error: unknown) => say(`   abandon: ${messageOf(error)}`));
  };
  const anySide = (): Side => (dice.chance(0.65) ? "primary" : "standby");
  const faults: Record<string, () => boolean> = {
    kill() {
      const alive = running();
      if (alive.length === 0) return false;
      dice.pick(alive).life.alive = false;
      if (running().length === 0) clock.after(dice.wait(5 * secondMs), null, startGateway);
      return true;
    },
    zombie() {
      const [one] = running();
      if (one === undefined) return false;
      one.life.stalledUntilMs = clock.nowMs() + dice.wait(dice.pick([5 * secondMs, 90 * secondMs]));
      if (dice.chance(0.7)) clock.after(dice.wait(2 * secondMs), null, startGateway);
      return true;
    },
    away() {
      const side = anySide();
      clusters[side].setAway(true);
      const awayMs = dice.wait(dice.pick([3 * secondMs, 60 * secondMs, 4 * minuteMs]));
      clock.after(awayMs, null, () => clusters[side].setAway(false));
      return true;
    },
    "power cut"() {
      const side = anySide();
      const most = dice.pick([6, 6, 500]);
      clusters[side].powerCut(settleMs, (young) => (dice.chance(0.5) ? dice.below(Math.min(young, most) + 1) : 0));
      if (dice.chance(0.3)) return true;
      clusters[side].setAway(true);
      const awayMs = dice.wait(dice.pick([3 * secondMs, 2 * minuteMs]));
      clock.after(awayMs, null, () => clusters[side].setAway(false));
      return true;
    },
    "leaders moved"() {
      clusters[anySide()].moveLeaders(settleMs);
      return true;
    },
    command() {
      const [one] = running();
      const active = one?.queue?.status().active ?? null;
      if (one?.queue === undefined || active === null || one.life.stalledUntilMs > clock.nowMs()) return false;
      one.queue.switchTo(active === "primary" ? "standby" : "primary").then(
        () => count("command: done"),
        (error: unknown) => say(`   command: ${messageOf(error)}`),
      );
      return true;
    },
    "journal lost"() {
      if (mayAbandon) return false;
      journal.lose();
      return true;
    },
    abandon() {
      const [one] = running();
      if (!mayAbandon || abandoned !== null || one?.queue?.status().active !== "standby") return false;
      abandoned = "primary";
      clusters.primary.setAway(true);
      giveUp(abandoned);
      return true;
    },
  };
  // In some histories journals are lost all the time, while gateways of before still live.
  const isForgetful = dice.chance(0.25);
  const weights: Record<string, number> = {
    kill: 4,
    zombie: isForgetful ? 4 : 1,
    away: 4,
    "power cut": 3,
    "leaders moved": 2,
    command: 2,
    "journal lost": isForgetful ? 3 : 0.4,
    abandon: 0.5,
  };
  const enabled = Object.keys(faults).filter(() => dice.chance(0.65));

  function load(): void {
    clock.after(dice.wait(900), null, () => {
      if (calm) return;
      const lane = dice.pick(lanes);
      const length = 1 + dice.below(3);
      const block = dice.chance(0.1)
        ? lane.loss(1 + dice.below(2))
        : dice.chance(0.1)
          ? lane.block(length)
          : readings(lane, length);
      journal.add({ lane: lane.lane, storeId: lane.record.storeId, run: lane.record.run, clock: synced, block });
      count("block");
      load();
    });
  }

  function strike(): void {
    clock.after(dice.wait(15 * secondMs), null, () => {
      if (calm) return;
      let at = dice.next() * enabled.reduce((sum, name) => sum + (weights[name] as number), 0);
      const name = enabled.find((one) => (at -= weights[one] as number) < 0);
      if (name !== undefined) {
        say(`FAULT ${name}`);
        if (faults[name]?.() === true) count(`fault: ${name}`);
      }
      strike();
    });
  }

  let eras = 0;
  function tick(): void {
    for (const side of bothSides) clusters[side].tick();
    if (abandoned !== null) {
      // What was given up stays away, and whoever gave it up says so until it is done.
      clusters[abandoned].setAway(true);
      if (journal.ledger.state()?.abandoned !== abandoned) giveUp(abandoned);
    }
    const era = journal.ledger.state()?.era ?? 0;
    if (era > eras) count("era");
    eras = era;
    clock.after(dice.wait(secondMs), null, tick);
  }

  startGateway();
  load();
  strike();
  tick();
  await clock.run(faultsMs);
  calm = true;
  say("--- calm ---");
  for (const side of bothSides) if (side !== abandoned) clusters[side].setAway(false);
  // One that has lost its place to another that is gone, and has nothing to send, does not know yet.
  for (const gateway of running()) gateway.life.alive = false;
  startGateway();
  for (let untilMs = faultsMs; untilMs < faultsMs + calmMs && journal.waiting() > 0; ) {
    untilMs += minuteMs;
    await clock.run(untilMs);
  }
  if (journal.waiting() > 0) {
    find("STUCK", `${journal.waiting()} blocks wait for ever: ${JSON.stringify(running().at(-1)?.queue?.status())}`);
  }
  auditSides({ clusters, abandoned, namespace, partitions, lanes, say, find, count });
  for (const gateway of running()) gateway.life.alive = false;
  return { seed, findings, counts, events: clock.events(), fingerprint: clock.fingerprint() };
}

/** A ledger that tells of its changes, and needs time for them: a process may die on both sides of each. */
function told(ledger: Ledger, by: string, say: (line: string) => void, pause: () => Promise<void>): Ledger {
  const text = (names: readonly LaneSpans[]): string =>
    names
      .map(({ lane, spans }) => `${lane.agent} ${spans.map(({ first, last }) => `${first}-${last}`).join()}`)
      .join("; ");
  async function change(what: string, act: () => Promise<boolean>): Promise<boolean> {
    await pause();
    const isDone = await act();
    say(`   ${by} ${what}${isDone ? "" : ": in vain"}`);
    await pause();
    return isDone;
  }
  return {
    ...ledger,
    begin: (state, reserved) =>
      change(`begins the ledger; primary: ${text(reserved.primary)}; standby: ${text(reserved.standby)}`, () =>
        ledger.begin(state, reserved),
      ),
    move: (era, next) => change(`moves to era ${era + 1}: ${JSON.stringify(next)}`, () => ledger.move(era, next)),
    reserve: (era, side, names) =>
      change(`reserves at the ${side} in era ${era}: ${text(names)}`, () => ledger.reserve(era, side, names)),
    free: (era, side, names) =>
      change(`frees at the ${side} in era ${era}: ${text(names)}`, () => ledger.free(era, side, names)),
  };
}
