/**
 * What a cluster knows of its topics, partitions and transactions. librdkafka's binding tells neither leader epochs nor
 * the states of transactions, so the requests of the second client are used.
 */
import type { Connection, metadataV12 as metadata, describeTransactionsV0 as transactions } from "@platformatic/kafka";
import { ClusterError, type KafkaCluster, type LedTopic, type Place, type TransactionState } from "../cluster.ts";
import { type ConnectionsOptions, openConnections, refuseErrors, withErrors } from "./connections.ts";

export type Metadata = Pick<
  KafkaCluster,
  "clusterId" | "topics" | "watermarks" | "leaders" | "endOfEpoch" | "openFrom" | "transactionState" | "close"
>;

/** Times with a meaning of their own in a request for offsets. */
const latest = -1n;
const earliest = -2n;
const uncommitted = 0;
const committed = 1;

const transactionalKey = 1;
const unknownTransactionalId = 105;
const unknownTopic = 3;
/** From Prepare on the outcome is fixed, whether its markers are written or not. */
const states: Readonly<Record<string, TransactionState>> = {
  Ongoing: "open",
  PrepareCommit: "committed",
  CompleteCommit: "committed",
  PrepareAbort: "aborted",
  PrepareEpochFence: "aborted",
  CompleteAbort: "aborted",
};

export async function openMetadata(options: ConnectionsOptions): Promise<Metadata> {
  const { ask, anyBroker, to, describe, close } = await openConnections(options);
  const client = await import("@platformatic/kafka");
  const { describeProducersV0, describeTransactionsV0, findCoordinatorV4, listOffsetsV7, offsetForLeaderEpochV4 } =
    client;

  /** The partition's leader and its epoch. */
  async function leaderOf({ topic, partition }: Place): Promise<{ connection: Connection; leaderEpoch: number }> {
    const { brokers: all, topics } = await describe([topic]);
    const [found] = topics;
    refuseErrors(found?.errorCode ?? 0);
    const described = found?.partitions.find(({ partitionIndex }) => partitionIndex === partition);
    if (described === undefined) throw new ClusterError("refused", "the topic has no such partition");
    const leader = all.find(({ nodeId }) => nodeId === described.leaderId);
    if (leader === undefined) throw new ClusterError("away", "the partition has no leader now");
    return { connection: await to(leader), leaderEpoch: described.leaderEpoch };
  }

  /** What its coordinator knows of a transactional id; undefined where that is nothing. */
  async function transactionOf(
    id: string,
  ): Promise<transactions.DescribeTransactionsResponseTransactionState | undefined> {
    const found = await findCoordinatorV4.api.async(await anyBroker(), transactionalKey, [id]);
    const [coordinator] = found.coordinators;
    if (coordinator === undefined) throw new ClusterError("away", "nobody coordinates the transaction now");
    const answer = await withErrors(describeTransactionsV0.api.async(await to(coordinator), [id]));
    const [transaction] = answer.transactionStates;
    const code = transaction?.errorCode ?? unknownTransactionalId;
    if (code === unknownTransactionalId) return undefined;
    refuseErrors(code);
    return transaction;
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
    async leaders(names) {
      return await ask("ask who leads topics", async () => {
        const first = await describe([...names]);
        const led = new Map<string, LedTopic>();
        takeLed(led, first.topics);
        const leading = new Set(first.topics.flatMap(({ partitions }) => partitions.map(({ leaderId }) => leaderId)));
        // Another broker may not have heard of a new leader yet, while a producer has already written to that one.
        const others = first.brokers.length === 1 ? [] : first.brokers.filter(({ nodeId }) => leading.has(nodeId));
        const answers = await Promise.all(
          others.map(async (broker) =>
            withErrors(client.metadataV12.api.async(await to(broker), [...names], false, false)),
          ),
        );
        for (const { topics } of answers) takeLed(led, topics);
        return led;
      });
    },
    async endOfEpoch(place, leaderEpoch) {
      const { topic, partition: partitionIndex } = place;
      const question = async () => {
        const { connection, leaderEpoch: currentLeaderEpoch } = await leaderOf(place);
        const partitions = [{ partitionIndex, currentLeaderEpoch, leaderEpoch }];
        const found = await offsetForLeaderEpochV4.api.async(connection, -1, [{ name: topic, partitions }]);
        return Number(found.topics[0]?.partitions[0]?.endOffset);
      };
      return await ask(`ask for the end of an epoch of ${topic}`, question, place);
    },
    async openFrom(place, transactionalId) {
      const { topic: name, partition } = place;
      const question = async () => {
        const transaction = await transactionOf(transactionalId);
        const { connection } = await leaderOf(place);
        const found = await describeProducersV0.api.async(connection, [{ name, partitionIndexes: [partition] }]);
        const producers = found.topics[0]?.partitions[0]?.activeProducers ?? [];
        const own = producers.find(({ producerId }) => producerId === transaction?.producerId);
        return own === undefined || own.currentTxnStartOffset < 0 ? null : Number(own.currentTxnStartOffset);
      };
      return await ask(`ask for the producers of ${name}`, question, place);
    },
    async transactionState(transactionalId) {
      return await ask("ask for the state of a transaction", async () => {
        const transaction = await transactionOf(transactionalId);
        return states[transaction?.transactionState ?? ""] ?? "none";
      });
    },
    close,
  };
}

/** Adds what one broker says; of two epochs the newer one is right. @throws ClusterError where brokers disagree on a topic */
function takeLed(led: Map<string, LedTopic>, topics: readonly metadata.MetadataResponseTopic[]): void {
  for (const { name, topicId: id, errorCode, partitions } of topics) {
    if (name == null || errorCode === unknownTopic) continue;
    refuseErrors(errorCode);
    const known = led.get(name);
    if (known !== undefined && known.id !== id) throw new ClusterError("away", `brokers disagree on the topic ${name}`);
    const leaderEpochs = [...(known?.leaderEpochs ?? [])];
    for (const { partitionIndex, leaderEpoch } of partitions) {
      leaderEpochs[partitionIndex] = Math.max(leaderEpoch, leaderEpochs[partitionIndex] ?? 0);
    }
    led.set(name, { id, leaderEpochs });
  }
}
