/**
 * One random history of the Kafka queue: the shipped forwarder and queue over a cluster in memory that fences, aborts,
 * answers late or never, and loses the ends of its logs; minutes of faults, a calm, and the audit. README.md tells more.
 */
import pino from "pino";
import { type Forwarder, startForwarder } from "../../../gateway/forwarder/forwarder.ts";
import { openKafkaQueue } from "../../../gateway/queue/kafka/kafka.ts";
import type { Queue } from "../../../gateway/queue/queue.ts";
import type { Replayer } from "../../../gateway/replay-letters.ts";
import { Fault, messageOf } from "../../../shared/errors.ts";
import { beyond } from "../../../shared/ranges.ts";
import { type AgentLane, agentLane, synced } from "../../fakes/agent-lane.ts";
import { readings } from "../../fakes/counted-blocks.ts";
import { type EndFault, fakeCluster } from "../../fakes/kafka-cluster.ts";
import { largeRoom } from "../../fakes/kafka-queue.ts";
import { createClock, type Life, newLife } from "../clock.ts";
import { seededDice } from "../dice.ts";
import { newMachine, processEnv } from "../env.ts";
import { auditReplays, auditTopics } from "./audit.ts";
import { countedFormat, dataTopic, deadLetterTopic, isLarge, lossTopic } from "./counted-format.ts";
import { lightJournal } from "./light-journal.ts";
import { replayerOf, wantReplays } from "./replays.ts";
import { type FaultName, faultsOf, pickFault, pickTheme } from "./themes.ts";

export interface HistoryResult {
  readonly seed: number;
  readonly findings: readonly { readonly kind: string; readonly text: string }[];
  readonly counts: ReadonlyMap<string, number>;
  readonly events: number;
  readonly fingerprint: number;
}

const secondMs = 1_000;
const minuteMs = 60_000;
const faultsMs = 10 * minuteMs;
const calmMs = 40 * minuteMs;
const settleMs = 8_000;
const namespace = "holdfast";
const positionsTopic = "positions";

export async function runHistory(seed: number, trace: (line: string) => void = () => {}): Promise<HistoryResult> {
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
  const theme = pickTheme(dice);
  let calm = false;

  const cluster = fakeCluster({
    topics: { [dataTopic]: partitions, [lossTopic]: 1, [deadLetterTopic]: 1, [positionsTopic]: shards },
    nowMs: clock.nowMs,
    fault(): EndFault | undefined {
      if (calm || !dice.chance(failsAt)) return undefined;
      const fault = dice.pick(["request lost", "answer lost", "markers late"] as const);
      count(`end of a transaction: ${fault}`);
      return fault;
    },
    pause: () => new Promise((resolve) => void clock.after(dice.wait(latencyMs), null, resolve)),
    transactionTimeoutMs: minuteMs,
    tell: (line) => say(`   kafka ${line}`),
  });
  const journal = lightJournal();
  const log = pino(
    { level: "warn", base: null, timestamp: false },
    { write: (line) => say(`   log ${line.slice(0, 1600).trim()}`) },
  );
  const lanes: AgentLane[] = ["pump-1", "pump-2", "well-3"].map((agent, at) => agentLane({ agent, store: at + 1 }));
  let groupId: string | null = null;
  const gateways: { life: Life; forwarder?: Forwarder; replayer?: Replayer }[] = [];

  const makeTopic = (topic: string): never => {
    throw new Error(`nobody should make ${topic}`);
  };

  function startGateway(): void {
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
    const isSmall = !calm && dice.chance(0.3);
    const format = countedFormat(namespace, partitions, (seq) => isSmall && isLarge(seq));
    const answering = () => new Promise<void>((resolve) => void clock.after(dice.wait(latencyMs), life, resolve));
    openKafkaQueue({
      cluster: cluster.connect(answering),
      env,
      log,
      format,
      namespace,
      positionsTopic,
      deadLetterTopic,
      room: largeRoom,
      settleMs,
      groupId,
      makeTopic,
    })
      .then((queue) => {
        if (!life.alive) return;
        say(`${name} has its queue`);
        // Where two fight over shards, one of them may hold what is past; its commits are refused.
        if (running().length === 1) auditKnown(queue);
        groupId = queue.groupId;
        gateway.replayer = replayerOf(queue);
        gateway.forwarder = startForwarder({ journal, queue, env, log, onStopped: (fault) => end(fault.message) });
      })
      .catch((error: unknown) => {
        if (!life.alive) return;
        if (!(error instanceof Fault)) find("FAILED", String((error as Error).stack ?? messageOf(error)));
        end(messageOf(error));
      });
  }

  const running = (): typeof gateways => gateways.filter(({ life }) => life.alive);
  const faults: Record<FaultName, () => boolean> = {
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
      cluster.setAway(true);
      clock.after(dice.wait(dice.pick([3 * secondMs, 60 * secondMs])), null, () => cluster.setAway(false));
      return true;
    },
    "power cut"() {
      const most = dice.pick([6, 6, 500]);
      cluster.powerCut(settleMs, (young) => (dice.chance(0.5) ? dice.below(Math.min(young, most) + 1) : 0));
      // Where another broker takes over at once, nobody who sends needs to notice.
      if (dice.chance(0.5)) return true;
      cluster.setAway(true);
      clock.after(dice.wait(3 * secondMs), null, () => cluster.setAway(false));
      return true;
    },
    /** Starts again and again, and each time the newest of one partition is gone: a marker, or a whole transaction. */
    "weak broker"() {
      const victim = dice.chance(0.7)
        ? { topic: dataTopic, partition: dice.below(partitions), items: 1 }
        : { topic: positionsTopic, partition: dice.below(shards), items: 3 };
      let times = 2 + dice.below(3);
      const again = (): void => {
        if (calm || times-- === 0) return;
        cluster.powerCut(settleMs, (_, { topic, partition }) =>
          topic === victim.topic && partition === victim.partition ? victim.items : 0,
        );
        clock.after(dice.between(settleMs, 2 * settleMs), null, again);
      };
      again();
      return true;
    },
    "leaders moved"() {
      cluster.moveLeaders(settleMs);
      return true;
    },
    "journal lost"() {
      journal.lose();
      return true;
    },
  };
  const kinds = faultsOf(theme, dice);

  let active: readonly AgentLane[] = lanes;
  function load(): void {
    clock.after(dice.wait(theme.blockMs), null, () => {
      if (calm) return;
      // Each device rests now and then: what a lane was last told stands alone for a while.
      if (dice.chance(0.02)) active = lanes.filter(() => dice.chance(0.5));
      const lane = dice.pick(active.length === 0 ? lanes : active);
      const length = 1 + dice.below(3);
      // What nobody can decode becomes a dead letter.
      const block = dice.chance(0.1)
        ? lane.loss(1 + dice.below(2))
        : dice.chance(theme.deadShare)
          ? lane.block(length)
          : readings(lane, length);
      const { storeId, run } = lane.record;
      journal.add({ lane: lane.lane, storeId, run, clock: synced, block });
      count("block");
      load();
    });
  }

  function strike(): void {
    clock.after(dice.wait(theme.faultMs), null, () => {
      if (calm) return;
      const name = pickFault(theme, kinds, dice);
      if (name !== undefined) {
        say(`FAULT ${name}`);
        if (faults[name]()) count(`fault: ${name}`);
      }
      strike();
    });
  }

  function tick(): void {
    cluster.tick();
    clock.after(dice.wait(secondMs), null, tick);
  }

  const replayers = () => running().flatMap(({ replayer }) => replayer ?? []);
  const told = { namespace, say, count, find };
  const replays = wantReplays({ ...theme, ...told, cluster, clock, dice: dice.split(), replayers });

  startGateway();
  load();
  strike();
  replays.begin();
  tick();
  await clock.run(faultsMs);
  calm = true;
  replays.end();
  say("--- calm ---");
  cluster.setAway(false);
  // The one that came last goes on; a zombie that woke now would take the shard over, and somebody would restart it.
  for (const gateway of running().slice(0, -1)) gateway.life.alive = false;
  for (const { life } of running()) life.stalledUntilMs = 0;
  if (running().length === 0) startGateway();
  for (let untilMs = faultsMs; untilMs < faultsMs + calmMs && journal.waiting() > 0; ) {
    untilMs += minuteMs;
    await clock.run(untilMs);
  }
  const audited = { cluster, namespace, partitions, lanes, replayed: replays.done, say, find };
  if (journal.waiting() > 0) find("STUCK", `${journal.waiting()} blocks wait for ever`);
  else {
    auditReplays({ ...audited, say: () => {} });
    // A gateway that has lost its shard to one that is gone, and forwards nothing, does not know yet.
    for (const { life } of running()) life.alive = false;
    startGateway();
    await replays.everything();
  }
  auditTopics(audited);
  for (const gateway of running()) gateway.life.alive = false;
  return { seed, findings, counts, events: clock.events(), fingerprint: clock.fingerprint() };

  /** What agents were told is forwarded, every later queue must know. */
  function auditKnown(queue: Queue): void {
    for (const { lane } of lanes) {
      const [unknown] = beyond(journal.settled(lane), queue.forwarded(lane));
      if (unknown !== undefined) {
        find(
          "FORGOTTEN",
          `${lane.agent} ${unknown.first}..${unknown.last} was released, and the queue knows nothing of it`,
        );
      }
    }
  }
}
