/**
 * What a cluster knows of its topics, partitions and transactions. librdkafka's binding tells neither leader epochs nor
 * the states of transactions, so the requests of a second client are used, written in JavaScript: Kafka 3.1 or newer
 * answers them.
 */
import { setTimeout as wait } from "node:timers/promises";
import type { Connection, ConnectionPool, metadataV12 as metadataRequest } from "@platformatic/kafka";
import { messageOf } from "../../../shared/errors.ts";
import { ClusterError, type KafkaCluster, type Place, type TransactionState } from "./cluster.ts";
import { isRefusal } from "./librdkafka.ts";

export interface MetadataOptions {
  /** `host:port` each. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** How long one request waits. */
  readonly answerMs: number;
}

export type Metadata = Pick<KafkaCluster, "clusterId" | "topics" | "watermarks" | "transactionState" | "close">;

/** A leader or coordinator that moves is mostly found again within these; what lasts longer is the caller's to wait for. */
const triesMax = 4;
const betweenTriesMs = 200;

/** Times with a meaning of their own in a request for offsets. */
const latest = -1n;
const earliest = -2n;
const uncommitted = 0;
const committed = 1;

const transactionalKey = 1;
const unknownTransactionalId = 105;
/** From Prepare on the outcome is fixed, whether its markers are written or not. */
const states: Readonly<Record<string, TransactionState>> = {
  Ongoing: "open",
  PrepareCommit: "committed",
  CompleteCommit: "committed",
  PrepareAbort: "aborted",
  PrepareEpochFence: "aborted",
  CompleteAbort: "aborted",
};

export async function openMetadata({ brokers, clientId, answerMs }: MetadataOptions): Promise<Metadata> {
  // Only here, since a gateway without Kafka starts without it.
  const { ConnectionPool, describeTransactionsV0, findCoordinatorV4, listOffsetsV7, metadataV12 } = await import(
    "@platformatic/kafka"
  );
  const pool: ConnectionPool = new ConnectionPool(clientId, { connectTimeout: answerMs, requestTimeout: answerMs });
  const bootstrap = brokers.map(addressOf);
  let known = bootstrap;
  let turn = 0;
  let closed = false;

  /** Tries a question again, at another broker, while nothing says that it will not be answered. */
  async function ask<T>(action: string, question: () => Promise<T>, place: Place | null = null): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await question();
      } catch (thrown) {
        const error = clusterErrorOf(action, thrown, place);
        if (error.trouble === "refused" || tries === triesMax || closed) throw error;
      }
      turn++;
      await wait(betweenTriesMs);
    }
  }

  function anyBroker(): Promise<Connection> {
    // A broker that hangs still takes connections, so it does not stay the first.
    const first = turn % known.length;
    return pool.getFirstAvailable([...known.slice(first), ...known.slice(0, first)]);
  }

  /** @param topics null for all */
  async function describe(topics: string[] | null): Promise<metadataRequest.MetadataResponse> {
    const found = await withErrors(metadataV12.api.async(await anyBroker(), topics, false, false));
    known = [...bootstrap, ...found.brokers.map(({ host, port }) => ({ host, port }))];
    return found;
  }

  /** The partition's leader and its epoch. */
  async function leaderOf({ topic, partition }: Place): Promise<{ connection: Connection; leaderEpoch: number }> {
    const { brokers: all, topics } = await describe([topic]);
    const [found] = topics;
    refuseErrors(found?.errorCode ?? 0);
    const described = found?.partitions.find(({ partitionIndex }) => partitionIndex === partition);
    if (described === undefined) throw new ClusterError("refused", "the topic has no such partition");
    const leader = all.find(({ nodeId }) => nodeId === described.leaderId);
    if (leader === undefined) throw new ClusterError("away", "the partition has no leader now");
    return { connection: await pool.get(leader), leaderEpoch: described.leaderEpoch };
  }

  return {
    async clusterId() {
      return await ask("ask for the cluster's id", async () => (await describe([])).clusterId ?? "");
    },
    async topics() {
      const { topics } = await ask("list topics", () => describe(null));
      const own = topics.filter(({ name, errorCode, isInternal }) => name !== null && errorCode === 0 && !isInternal);
      return new Map(
        own.map(({ name, topicId, partitions }) => [`${name}`, { id: topicId, partitions: partitions.length }]),
      );
    },
    async watermarks(place) {
      const { topic: name, partition: partitionIndex } = place;
      const question = async () => {
        const { connection, leaderEpoch } = await leaderOf(place);
        // The leader refuses another epoch than its own, so all three answers are of this one.
        const offset = async (isolation: number, timestamp: bigint): Promise<number> => {
          const partitions = [{ partitionIndex, currentLeaderEpoch: leaderEpoch, timestamp }];
          const found = await listOffsetsV7.api.async(connection, -1, isolation, [{ name, partitions }]);
          return Number(found.topics[0]?.partitions[0]?.offset);
        };
        const asked = [offset(uncommitted, earliest), offset(committed, latest), offset(uncommitted, latest)] as const;
        const [low, stable, high] = await Promise.all(asked);
        return { low, stable, high: Math.max(stable, high), leaderEpoch };
      };
      return await ask(`ask for the offsets of ${name}`, question, place);
    },
    async transactionState(transactionalId) {
      return await ask("ask for the state of a transaction", async () => {
        const found = await findCoordinatorV4.api.async(await anyBroker(), transactionalKey, [transactionalId]);
        const [coordinator] = found.coordinators;
        if (coordinator === undefined) throw new ClusterError("away", "nobody coordinates the transaction now");
        const connection = await pool.get(coordinator);
        const answer = await withErrors(describeTransactionsV0.api.async(connection, [transactionalId]));
        const [transaction] = answer.transactionStates;
        const code = transaction?.errorCode ?? unknownTransactionalId;
        if (code === unknownTransactionalId) return "none";
        refuseErrors(code);
        return states[transaction?.transactionState ?? ""] ?? "none";
      });
    },
    async close() {
      closed = true;
      await pool.close().catch(() => undefined);
    },
  };
}

function addressOf(broker: string): { host: string; port: number } {
  const colon = broker.lastIndexOf(":");
  return { host: broker.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(broker.slice(colon + 1)) };
}

/** An answer that carries errors of its parts is an answer: another topic without a leader must not hide this one. */
async function withErrors<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    const { response } = error as { response?: T };
    if (response === undefined) throw error;
    return response;
  }
}

function refuseErrors(code: number): void {
  if (code !== 0)
    throw new ClusterError(isRefusal(code) ? "refused" : "away", `the broker answered with error ${code}`);
}

function clusterErrorOf(action: string, thrown: unknown, place: Place | null): ClusterError {
  const isRefused = thrown instanceof ClusterError ? thrown.trouble === "refused" : causesOf(thrown).some(isRefusing);
  const why = [...new Set(causesOf(thrown).map(messageOf))].join(": ");
  return new ClusterError(isRefused ? "refused" : "away", `could not ${action}: ${why}`, place);
}

function isRefusing(error: unknown): boolean {
  const { code, apiCode } = error as { code?: string; apiCode?: number };
  return code === "PLT_KFK_AUTHENTICATION" || (apiCode !== undefined && isRefusal(apiCode));
}

/** An error with all that it wraps; the client nests them. */
function causesOf(error: unknown): unknown[] {
  const { cause, errors = [] } = (error ?? {}) as { cause?: unknown; errors?: readonly unknown[] };
  return [error, ...(cause === undefined ? [] : causesOf(cause)), ...errors.flatMap(causesOf)];
}
