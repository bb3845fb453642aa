/**
 * One random history of the Kafka queue: the shipped forwarder and queue over a cluster in memory that fences, aborts,
 * answers late or never, and loses the ends of its logs; minutes of faults, a calm, and the audit. README.md tells more.
 */
import { type Forwarder, startForwarder } from "../../../gateway/forwarder/forwarder.ts";
import { openKafkaQueue } from "../../../gateway/queue/kafka/kafka.ts";
import type { Replayer } from "../../../gateway/replay-letters.ts";
import { type AgentLane, agentLane } from "../../fakes/agent-lane.ts";
import { largeRoom } from "../../fakes/kafka-queue.ts";
import { auditReplays, auditTopics } from "./audit.ts";
import { countedFormat, dataTopic, deadLetterTopic, isLarge } from "./counted-format.ts";
import {
  auditKnown,
  brokersOf,
  type HistoryResult,
  layGround,
  minuteMs,
  namespace,
  positionsTopic,
  secondMs,
  settleMs,
} from "./ground.ts";
import { type Process, processFaults, startProcess } from "./processes.ts";
import { replayerOf, wantReplays } from "./replays.ts";
import { type FaultName, faultsOf, pickTheme } from "./themes.ts";
import { bringBlocks, strike } from "./weather.ts";

const faultsMs = 10 * minuteMs;

export async function runHistory(seed: number, trace: (line: string) => void = () => {}): Promise<HistoryResult> {
  const ground = layGround(seed, trace);
  const { dice, clock, journal, log, count, say, find } = ground;
  const [shards, partitions] = [dice.pick([1, 1, 2]), dice.pick([1, 2, 3])];
  const [failsAt, latencyMs] = [dice.pick([0, 0.02, 0.1]), dice.pick([5, 50, 400])];
  const theme = pickTheme(dice);
  let calm = false;

  const isCalm = (): boolean => calm;
  const cluster = brokersOf(ground, { name: "kafka", shards, partitions, failsAt, latencyMs, isCalm });
  const lanes: AgentLane[] = ["pump-1", "pump-2", "well-3"].map((agent, at) => agentLane({ agent, store: at + 1 }));
  let groupId: string | null = null;
  const gateways: { life: Process["life"]; forwarder?: Forwarder; replayer?: Replayer }[] = [];
  const running = (): typeof gateways => gateways.filter(({ life }) => life.alive);

  const makeTopic = (topic: string): never => {
    throw new Error(`nobody should make ${topic}`);
  };

  function startGateway(): void {
    const process = startProcess(ground, `gateway ${gateways.length + 1}`, startGateway);
    const { life, name, env, end } = process;
    const gateway: (typeof gateways)[number] = { life };
    gateways.push(gateway);
    const isSmall = !calm && dice.chance(0.3);
    const format = countedFormat(namespace, partitions, (seq) => isSmall && isLarge(seq));
    openKafkaQueue({
      cluster: cluster.connect(() => process.wait(latencyMs)),
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
        if (running().length === 1) auditKnown(ground, lanes, queue);
        groupId = queue.groupId;
        gateway.replayer = replayerOf(queue);
        gateway.forwarder = startForwarder({ journal, queue, env, log, onStopped: (fault) => end(fault.message) });
      })
      .catch(process.fail);
  }

  const faults: Record<FaultName, () => boolean> = {
    ...processFaults(ground, running, startGateway),
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
  const pick = (): AgentLane => {
    // Each device rests now and then: what a lane was last told stands alone for a while.
    if (dice.chance(0.02)) active = lanes.filter(() => dice.chance(0.5));
    return dice.pick(active.length === 0 ? lanes : active);
  };

  function tick(): void {
    cluster.tick();
    clock.after(dice.wait(secondMs), null, tick);
  }

  const replayers = () => running().flatMap(({ replayer }) => replayer ?? []);
  const told = { namespace, say, count, find };
  const replays = wantReplays({ ...theme, ...told, cluster, clock, dice: dice.split(), replayers });

  startGateway();
  bringBlocks(ground, { everyMs: theme.blockMs, deadShare: theme.deadShare, isCalm, pick });
  strike(ground, { everyMs: theme.faultMs, isCalm, weights: theme.faults, kinds, faults });
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
  await ground.untilDrained(faultsMs);
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
  return ground.result();
}
