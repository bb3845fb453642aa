/**
 * One random history of the queue on a cluster that MirrorMaker copies to a standby: in most of them the cluster is gone
 * for ever at some moment, and the gateway resumes on the standby. README.md tells more.
 */
import { startForwarder } from "../../../gateway/forwarder/forwarder.ts";
import type { Place } from "../../../gateway/queue/kafka/cluster.ts";
import { openKafkaQueue } from "../../../gateway/queue/kafka/kafka.ts";
import { type AgentLane, agentLane } from "../../fakes/agent-lane.ts";
import type { FakeCluster } from "../../fakes/kafka-cluster.ts";
import { largeRoom } from "../../fakes/kafka-queue.ts";
import { fakeMirrorMaker } from "../../fakes/mirror-maker.ts";
import { auditTopics } from "./audit.ts";
import { countedFormat, dataTopic, deadLetterTopic, lossTopic } from "./counted-format.ts";
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
import { bringBlocks, strike } from "./weather.ts";

const faultsMs = 10 * minuteMs;

type FaultName = "kill" | "zombie" | "away" | "power cut" | "journal lost";

export async function runMirrorHistory(seed: number, trace: (line: string) => void = () => {}): Promise<HistoryResult> {
  const ground = layGround(seed, trace);
  const { dice, clock, journal, log, count, say, find } = ground;
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
  const isCalm = (): boolean => calm;
  const clusterOf = (name: string): FakeCluster =>
    brokersOf(ground, { name, shards, partitions, failsAt, latencyMs, isCalm });
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
  const lanes: AgentLane[] = ["pump-1", "pump-2", "well-3"].map((agent, at) => agentLane({ agent, store: at + 1 }));
  let groupId: string | null = null;
  const gateways: Process[] = [];
  const running = (): typeof gateways => gateways.filter(({ life }) => life.alive);

  function startGateway(): void {
    const process = startProcess(ground, `gateway ${gateways.length + 1} on ${side}`, startGateway);
    const { life, env, end } = process;
    gateways.push(process);
    const answering = (): Promise<void> => process.wait(latencyMs);
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
        if (running().length === 1) auditKnown(ground, lanes, queue);
        groupId = queue.groupId;
        startForwarder({ journal, queue, env, log, onStopped: (fault) => end(fault.message) });
      })
      .catch(process.fail);
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

  const faults: Record<FaultName, () => boolean> = {
    ...processFaults(ground, running, startGateway),
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
  const weights: Record<FaultName, number> = { kill: 4, zombie: 1, away: 2, "power cut": 3, "journal lost": 0.5 };
  const all = Object.keys(weights) as FaultName[];
  const kinds: FaultName[] = isThin ? ["power cut"] : all.filter(() => dice.chance(0.6));
  /** What the standby has lost is not copied again: nothing of it is released any more, unless the queue is resumed there. */
  let hasLost = false;

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
  bringBlocks(ground, { everyMs: 700, deadShare: 0.1, isCalm, pick: () => dice.pick(lanes) });
  strike(ground, { everyMs: (isThin ? 8 : 20) * secondMs, isCalm, weights, kinds, faults });
  copy();
  tick();
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
  await ground.untilDrained(faultsMs);
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
  return ground.result();
}
