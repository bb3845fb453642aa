/**
 * One random history of the queue on a cluster that MirrorMaker copies to a standby: in most of them the cluster is gone
 * for ever at some moment, and the gateway resumes on the standby. README.md tells more.
 */
import pino from "pino";
import { type Forwarder, startForwarder } from "../../../gateway/forwarder/forwarder.ts";
import type { Place } from "../../../gateway/queue/kafka/cluster.ts";
import { openKafkaQueue } from "../../../gateway/queue/kafka/kafka.ts";
import type { Queue } from "../../../gateway/queue/queue.ts";
import { Fault, messageOf } from "../../../shared/errors.ts";
import { beyond } from "../../../shared/ranges.ts";
import { type AgentLane, agentLane, synced } from "../../fakes/agent-lane.ts";
import { readings } from "../../fakes/counted-blocks.ts";
import { type FakeCluster, fakeCluster } from "../../fakes/kafka-cluster.ts";
import { largeRoom } from "../../fakes/kafka-queue.ts";
import { fakeMirrorMaker } from "../../fakes/mirror-maker.ts";
import { createClock, type Life, newLife } from "../clock.ts";
import { seededDice } from "../dice.ts";
import { newMachine, processEnv } from "../env.ts";
import { auditTopics } from "./audit.ts";
import { countedFormat, dataTopic, deadLetterTopic, lossTopic } from "./counted-format.ts";
import type { HistoryResult } from "./history.ts";
import { lightJournal } from "./light-journal.ts";

const secondMs = 1_000;
const minuteMs = 60_000;
const faultsMs = 10 * minuteMs;
const calmMs = 40 * minuteMs;
const settleMs = 8_000;
const namespace = "holdfast";
const positionsTopic = "positions";

export async function runMirrorHistory(seed: number, trace: (line: string) => void = () => {}): Promise<HistoryResult> {
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
  const [shards, partitions] = [dice.pick([1, 1, 2]), dice.pick([1, 2, 3])];
  const [failsAt, latencyMs] = [dice.pick([0, 0.02, 0.1]), dice.pick([5, 50, 400])];
  /** In some histories it keeps up, in others it lags far behind in some partitions. */
  const copyEveryMs = dice.pick([100, 500, 3_000]);
  /** In some histories the standby alone suffers, again and again. */
  const isThin = dice.chance(0.3);
  const mayLose = { A: !isThin && dice.chance(0.4), B: isThin || dice.chance(0.3) };
  const isLate = dice.chance(0.3);
  const resumesAtMs = isLate ? faultsMs : minuteMs + dice.below(faultsMs - minuteMs);
  let calm = false;
  let side: "A" | "B" = "A";
  let isMirrored = true;

  const topics = { [dataTopic]: partitions, [lossTopic]: 1, [deadLetterTopic]: 1, [positionsTopic]: shards };
  const clusterOf = (name: string): FakeCluster =>
    fakeCluster({
      topics,
      nowMs: clock.nowMs,
      clusterId: () => name,
      fault: () =>
        calm || !dice.chance(failsAt) ? undefined : dice.pick(["request lost", "answer lost", "markers late"] as const),
      pause: () => new Promise((resolve) => void clock.after(dice.wait(latencyMs), null, resolve)),
      transactionTimeoutMs: minuteMs,
      tell: (line) => say(`   ${name} ${line}`),
    });
  const clusters = { A: clusterOf("A"), B: clusterOf("B") };
  const away = { A: false, B: false };
  const places = Object.entries(topics).flatMap(([topic, all]) =>
    Array.from({ length: all }, (_, partition): Place => ({ topic, partition })),
  );
  const { nameOf } = countedFormat(namespace, partitions);
  const maker = fakeMirrorMaker(clusters.A, clusters.B, ({ headers }) => {
    const name = nameOf(headers);
    if (name === undefined || name === "foreign") return [];
    const { lane, first, last } = name;
    return Array.from({ length: last - first + 1 }, (_, at) => `${lane.agent} ${first + at}`);
  });
  const journal = lightJournal();
  const log = pino(
    { level: "warn", base: null, timestamp: false },
    { write: (line) => say(`   log ${line.slice(0, 1600).trim()}`) },
  );
  const lanes: AgentLane[] = ["pump-1", "pump-2", "well-3"].map((agent, at) => agentLane({ agent, store: at + 1 }));
  let groupId: string | null = null;
  const gateways: { life: Life; forwarder?: Forwarder }[] = [];
  const running = (): typeof gateways => gateways.filter(({ life }) => life.alive);

  function startGateway(): void {
    const life = newLife();
    const gateway: (typeof gateways)[number] = { life };
    gateways.push(gateway);
    const name = `gateway ${gateways.length} on ${side}`;
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
    const answering = () => new Promise<void>((resolve) => void clock.after(dice.wait(latencyMs), life, resolve));
    say(`${name} starts`);
    openKafkaQueue({
      cluster: clusters[side].connect(answering),
      mirror: side === "A" && isMirrored ? clusters.B.connect(answering) : undefined,
      confirmCluster: side === "B" ? "B" : null,
      ...{ env, log, namespace, positionsTopic, deadLetterTopic, settleMs, groupId, room: largeRoom },
      format: countedFormat(namespace, partitions),
      makeTopic: (topic) => Promise.reject(new Error(`nobody should make ${topic}`)),
    })
      .then((queue) => {
        if (!life.alive) return;
        if (running().length === 1) auditKnown(queue);
        groupId = queue.groupId;
        gateway.forwarder = startForwarder({ journal, queue, env, log, onStopped: (fault) => end(fault.message) });
      })
      .catch((error: unknown) => {
        if (!life.alive) return;
        if (!(error instanceof Fault)) find("FAILED", String((error as Error).stack ?? messageOf(error)));
        end(messageOf(error));
      });
  }

  /** What agents were told is forwarded, every later queue must know. */
  function auditKnown(queue: Queue): void {
    for (const { lane } of lanes) {
      const [unknown] = beyond(journal.settled(lane), queue.forwarded(lane));
      if (unknown !== undefined) find("FORGOTTEN", `${lane.agent} ${unknown.first}..${unknown.last} was released`);
    }
  }

  function restartAll(): void {
    for (const { life } of running()) life.alive = false;
    startGateway();
  }

  function setAway(one: "A" | "B", isAway: boolean): void {
    away[one] = isAway || (one === "A" && side === "B");
    clusters[one].setAway(away[one]);
  }

  /** The operator's moment: the cluster is gone for ever, the mirror has stopped, and the standby is the cluster now. */
  function resume(): void {
    if (groupId === null || side === "B") return;
    say("RESUME on B");
    count("resumed");
    side = "B";
    setAway("A", true);
    restartAll();
  }

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
      const one = dice.pick(["A", "B"] as const);
      setAway(one, true);
      clock.after(dice.wait(dice.pick([3 * secondMs, 60 * secondMs])), null, () => setAway(one, false));
      return true;
    },
    "power cut"() {
      const one = isThin && side === "A" ? "B" : dice.pick(["A", "B"] as const);
      if (!mayLose[one] && side === "A") return false;
      clusters[one].powerCut(settleMs, (young) => (dice.chance(0.5) ? dice.below(Math.min(young, 6) + 1) : 0));
      if (one === "B" && side === "A") hasLost = true;
      // The worst moment for the cluster to go.
      if (one === "B" && !isLate && dice.chance(0.1)) resume();
      if (dice.chance(0.5)) return true;
      setAway(one, true);
      clock.after(dice.wait(3 * secondMs), null, () => setAway(one, false));
      return true;
    },
    "journal lost"() {
      journal.lose();
      return true;
    },
  };
  const weights: Record<string, number> = { kill: 4, zombie: 1, away: 2, "power cut": 3, "journal lost": 0.5 };
  const enabled = isThin ? ["power cut"] : Object.keys(faults).filter(() => dice.chance(0.6));
  /** What the standby has lost is not copied again: nothing of it is released any more, unless the queue is resumed there. */
  let hasLost = false;

  function load(): void {
    clock.after(dice.wait(700), null, () => {
      if (calm) return;
      const lane = dice.pick(lanes);
      const length = 1 + dice.below(3);
      const block = dice.chance(0.1)
        ? lane.loss(1 + dice.below(2))
        : dice.chance(0.1)
          ? lane.block(length)
          : readings(lane, length);
      const { storeId, run } = lane.record;
      journal.add({ lane: lane.lane, storeId, run, clock: synced, block });
      count("block");
      load();
    });
  }

  function strike(): void {
    clock.after(dice.wait((isThin ? 8 : 20) * secondMs), null, () => {
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

  /** Each partition by itself: whoever falls behind keeps nobody else. */
  function copy(): void {
    clock.after(dice.wait(copyEveryMs), null, () => {
      if (side === "A" && !away.A && !away.B) {
        const aftermath = dice.pick(["goes back", "goes on"] as const);
        for (const place of calm ? places : [dice.pick(places)])
          maker.copy(place, calm ? 1e9 : 1 + dice.below(20), aftermath);
      }
      copy();
    });
  }

  function tick(): void {
    clusters.A.tick();
    clusters.B.tick();
    clock.after(dice.wait(secondMs), null, tick);
  }

  startGateway();
  for (const begin of [load, strike, copy, tick]) begin();
  await clock.run(resumesAtMs);
  if (!isLate) resume();
  await clock.run(faultsMs);
  calm = true;
  say("--- calm ---");
  setAway("A", false);
  setAway("B", false);
  // Who stays on a cluster whose standby is not whole any more goes on without it; who is late resumes there in half of the cases.
  if (isLate && dice.chance(0.5)) resume();
  isMirrored &&= !hasLost && !maker.hasParted();
  restartAll();
  for (let untilMs = faultsMs; untilMs < faultsMs + calmMs && journal.waiting() > 0; ) {
    untilMs += minuteMs;
    await clock.run(untilMs);
  }
  if (journal.waiting() > 0) find("STUCK", `${journal.waiting()} blocks wait for ever`);
  const isWhole = !hasLost && !maker.hasParted();
  const judge = (kind: string, text: string): void => {
    // What the source had lost and got again was copied twice: nobody can take that back, and a start names it.
    const [, name = ""] = /^(\S+ \d+) stands/.exec(text) ?? [];
    const isCopiedTwice = side === "B" && kind === "DOUBLE" && (maker.copies.get(name) ?? 0) > 1;
    const isExcused = isCopiedTwice || (side === "B" && kind === "DISORDER" && !isWhole);
    if (isExcused) count(`excused: ${kind}`);
    else find(kind, text);
  };
  const audited = { cluster: clusters[side], namespace, partitions, lanes, replayed: new Set<string>() };
  if (journal.waiting() === 0) auditTopics({ ...audited, say, find: judge });
  count(isWhole ? `whole on ${side}` : `parted on ${side}`);
  for (const gateway of running()) gateway.life.alive = false;
  return { seed, findings, counts, events: clock.events(), fingerprint: clock.fingerprint() };
}
