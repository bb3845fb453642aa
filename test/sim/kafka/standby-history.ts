/**
 * One random history of the queue on two clusters: the shipped forwarder and queue over two clusters in memory, each of
 * which is away, loses the ends of its logs and comes back as it likes, while the gateway changes between them by
 * itself and on command. README.md tells more.
 */
import { startForwarder } from "../../../gateway/forwarder/forwarder.ts";
import { openKafkaQueue } from "../../../gateway/queue/kafka/kafka.ts";
import { bothSides, type Side } from "../../../gateway/queue/standby/ledger.ts";
import { type StandbyQueue, standbyQueue } from "../../../gateway/queue/standby/standby.ts";
import { hex } from "../../../shared/env.ts";
import { messageOf } from "../../../shared/errors.ts";
import { type AgentLane, agentLane } from "../../fakes/agent-lane.ts";
import type { FakeCluster } from "../../fakes/kafka-cluster.ts";
import { largeRoom } from "../../fakes/kafka-queue.ts";
import { countedFormat, deadLetterTopic } from "./counted-format.ts";
import {
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
import { auditSides } from "./standby-audit.ts";
import { told } from "./told-ledger.ts";
import { bringBlocks, strike } from "./weather.ts";

const faultsMs = 15 * minuteMs;

type FaultName = "kill" | "zombie" | "away" | "power cut" | "leaders moved" | "command" | "journal lost" | "abandon";

export async function runStandbyHistory(
  seed: number,
  trace: (line: string) => void = () => {},
): Promise<HistoryResult> {
  const ground = layGround(seed, trace, "info");
  const { dice, clock, journal, log, count, say, find } = ground;
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

  const isCalm = (): boolean => calm;
  const clusterOf = (side: Side): FakeCluster =>
    brokersOf(ground, { name: side, shards, partitions, failsAt, latencyMs, isCalm });
  const clusters: Record<Side, FakeCluster> = { primary: clusterOf("primary"), standby: clusterOf("standby") };
  const lanes: AgentLane[] = ["pump-1", "well-3"].map((agent, at) => agentLane({ agent, store: at + 1 }));
  let groupId: string | null = null;
  const gateways: { life: Process["life"]; queue?: StandbyQueue }[] = [];
  const running = (): typeof gateways => gateways.filter(({ life }) => life.alive);

  function startGateway(): void {
    // Several that fence each other are a fault of these minutes; an operator then leaves one.
    if (calm && running().length > 0) return;
    const process = startProcess(ground, `gateway ${gateways.length + 1}`, startGateway);
    const { life, name, env, end } = process;
    const gateway: (typeof gateways)[number] = { life };
    gateways.push(gateway);
    const answering = (): Promise<void> => process.wait(latencyMs);
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
      queue.begin({
        ledger: told(journal.ledger, name, say, () => process.wait(diskMs)),
        journalId,
        meetQueue: () => Promise.resolve(),
      });
      startForwarder({ journal, queue, env, log, onStopped: (fault) => end(fault.message) });
    }
    start().catch(process.fail);
  }

  const giveUp = (side: Side): void => {
    const [one] = running();
    one?.queue?.abandon(side).catch((error: unknown) => say(`   abandon: ${messageOf(error)}`));
  };
  const anySide = (): Side => (dice.chance(0.65) ? "primary" : "standby");
  const faults: Record<FaultName, () => boolean> = {
    ...processFaults(ground, running, startGateway),
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
  const weights: Record<FaultName, number> = {
    kill: 4,
    zombie: isForgetful ? 4 : 1,
    away: 4,
    "power cut": 3,
    "leaders moved": 2,
    command: 2,
    "journal lost": isForgetful ? 3 : 0.4,
    abandon: 0.5,
  };
  const kinds = (Object.keys(weights) as FaultName[]).filter(() => dice.chance(0.65));

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
  bringBlocks(ground, { everyMs: 900, deadShare: 0.1, isCalm, pick: () => dice.pick(lanes) });
  strike(ground, { everyMs: 15 * secondMs, isCalm, weights, kinds, faults });
  tick();
  await clock.run(faultsMs);
  calm = true;
  say("--- calm ---");
  for (const side of bothSides) if (side !== abandoned) clusters[side].setAway(false);
  // One that has lost its place to another that is gone, and has nothing to send, does not know yet.
  for (const gateway of running()) gateway.life.alive = false;
  startGateway();
  await ground.untilDrained(faultsMs);
  if (journal.waiting() > 0) {
    find("STUCK", `${journal.waiting()} blocks wait for ever: ${JSON.stringify(running().at(-1)?.queue?.status())}`);
  }
  auditSides({ clusters, abandoned, namespace, partitions, lanes, say, find, count });
  for (const gateway of running()) gateway.life.alive = false;
  return ground.result();
}
