/** What is asked of a cluster, and done there, to have the right topics. */
import { ClusterError } from "../cluster.ts";
import { type ConnectionsOptions, openConnections, refuseErrors, withErrors } from "./connections.ts";

/** The group that librdkafka's reader names, since it must name one. */
export const readerGroup = "holdfast-reader";

/** What this client needs to be allowed, in the words of kafka-acls.sh. */
export type Operation = "Create" | "Describe" | "DescribeConfigs" | "Read" | "Write";

export interface FoundTopic {
  readonly state: "found";
  /** Another one under the same name is another topic. */
  readonly id: string;
  /** The brokers that hold the copies of each partition. */
  readonly replicas: readonly (readonly number[])[];
  /** What this client may not do with it, of what it needs. */
  readonly missingRights: readonly Operation[];
  /** Every setting as it counts, its own or its broker's; null where the right to see them is missing. */
  readonly configs: ReadonlyMap<string, string> | null;
}

/** `hidden` without the right to see whether it is there. */
export type Topic = FoundTopic | { readonly state: "absent" | "hidden" };

export interface NewTopic {
  readonly name: string;
  readonly partitions: number;
  readonly replication: number;
  readonly configs: Readonly<Record<string, string>>;
}

/** How an attempt to create a topic ended; what is there already is as good as made. */
export type Creation =
  | { readonly result: "made" }
  /** `code` is Kafka's. */
  | { readonly result: "refused"; readonly code: number; readonly message: string };

/** All calls reject with ClusterError where no broker answers, or none lets this client in. */
export interface ClusterAdmin {
  /** The cluster's id, and the ids of the brokers that are there now. */
  cluster(): Promise<{ readonly id: string; readonly brokers: readonly number[] }>;
  /** All topics that this client may see. */
  names(): Promise<readonly string[]>;
  /** Single topics, in the order of `names`. */
  describe(names: readonly string[]): Promise<readonly Topic[]>;
  /** @param isTrial says whether it would be made, and makes nothing */
  create(topic: NewTopic, isTrial: boolean): Promise<Creation>;
  /** A topic that was just made, once brokers know of it and each of its partitions has a leader. */
  whenThere(name: string): Promise<FoundTopic>;
  /** Whether this client may see a transactional id, without which it cannot use it, or the group of its reader. */
  maySee(coordinated: { readonly transactionalId: string } | { readonly group: string }): Promise<boolean>;
  /** Whether this client may begin transactions under that id. */
  mayWrite(transactionalId: string): Promise<boolean>;
  close(): Promise<void>;
}

const topicResource = 2;
const groupKey = 0;
const transactionalKey = 1;
/** No producer ever has it, so a broker refuses whatever it asks for, and changes nothing. */
const noProducer = BigInt(2) ** BigInt(62);

const unknownTopic = 3;
/** A time-out, and a controller that moved. */
const passing = new Set([7, 41]);
const topicRefused = 29;
const coordinatorRefused = new Set([30, 53]);
const existsAlready = 36;
const badReplication = 38;

/** Kafka's numbers of operations, as bits of a topic's rights. */
const bits: readonly (readonly [Operation, number])[] = [
  ["Read", 3],
  ["Write", 4],
];

export async function openAdmin(options: ConnectionsOptions): Promise<ClusterAdmin> {
  const { ask, anyBroker, to, describe, close } = await openConnections(options);
  const { createTopicsV7, describeConfigsV4, endTxnV3, findCoordinatorV4 } = await import("@platformatic/kafka");

  async function configsOf(names: readonly string[]): Promise<(ReadonlyMap<string, string> | null)[]> {
    if (names.length === 0) return [];
    const resources = names.map((resourceName) => ({ resourceType: topicResource, resourceName }) as const);
    const { results } = await ask("look at the settings of topics", async () => {
      return await withErrors(describeConfigsV4.api.async(await anyBroker(), resources));
    });
    return names.map((name) => {
      const found = results.find(({ resourceName }) => resourceName === name);
      if (found === undefined || found.errorCode === topicRefused) return null;
      refuseErrors(found.errorCode);
      return new Map(found.configs.map((config) => [config.name, config.value ?? ""]));
    });
  }

  async function look(names: readonly string[]): Promise<readonly Topic[]> {
    if (names.length === 0) return [];
    const { topics } = await ask("look at topics", () => describe([...names], true));
    const there = topics.filter(({ errorCode, name }) => errorCode === 0 && name !== null);
    const configs = await configsOf(there.map(({ name }) => `${name}`));
    return names.map((name): Topic => {
      const found = topics.find((topic) => topic.name === name);
      if (found === undefined || found.errorCode === unknownTopic) return { state: "absent" };
      if (found.errorCode === topicRefused) return { state: "hidden" };
      refuseErrors(found.errorCode);
      const rights = found.topicAuthorizedOperations;
      const own = configs[there.indexOf(found)] ?? null;
      const missing = bits.filter(([, bit]) => (rights & (1 << bit)) === 0).map(([operation]) => operation);
      return {
        state: "found",
        id: found.topicId,
        replicas: found.partitions.map(({ replicaNodes }) => replicaNodes),
        missingRights: own === null ? [...missing, "DescribeConfigs"] : missing,
        configs: own,
      };
    });
  }

  return {
    async cluster() {
      const { clusterId, brokers } = await ask("list the brokers", () => describe([]));
      return { id: clusterId ?? "", brokers: brokers.map(({ nodeId }) => nodeId) };
    },
    async names() {
      const { topics } = await ask("list topics", () => describe(null));
      return topics.flatMap(({ name, isInternal }) => (name == null || isInternal ? [] : [name]));
    },
    describe: look,
    async create({ name, partitions, replication, configs }, isTrial) {
      const wish = {
        name,
        numPartitions: partitions,
        replicationFactor: replication,
        assignments: [],
        configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
      };
      return await ask(`create the topic ${name}`, async (): Promise<Creation> => {
        const { brokers, controllerId } = await describe([]);
        // Brokers without ZooKeeper pass it on; among older ones only the controller takes it.
        const controller = brokers.find(({ nodeId }) => nodeId === controllerId);
        const connection = controller === undefined ? await anyBroker() : await to(controller);
        const { topics } = await withErrors(
          createTopicsV7.api.async(connection, [wish], options.answerMs / 2, isTrial),
        );
        const [answer] = topics;
        const { errorCode: code = 0, errorMessage } = answer ?? {};
        // A broker that has just started counts only once the controller has let it in.
        const isEarly = code === badReplication && brokers.length >= replication;
        if (answer === undefined || passing.has(code) || isEarly) {
          throw new ClusterError("away", `the broker answered with error ${code}: ${errorMessage}`);
        }
        if (code === 0 || code === existsAlready) return { result: "made" };
        return { result: "refused", code, message: errorMessage ?? `error ${code}` };
      });
    },
    async whenThere(name) {
      return await ask(`find the topic ${name}`, async () => {
        const { topics } = await describe([name]);
        const led = topics[0]?.partitions.filter(({ leaderId }) => leaderId >= 0).length ?? 0;
        const [found] = await look([name]);
        if (found?.state === "found" && led === found.replicas.length) return found;
        throw new ClusterError("away", "it was made, and not all brokers know it yet");
      });
    },
    async maySee(coordinated) {
      const [type, name] =
        "group" in coordinated ? [groupKey, coordinated.group] : [transactionalKey, coordinated.transactionalId];
      return await ask("look for a coordinator", async () => {
        const { coordinators } = await withErrors(findCoordinatorV4.api.async(await anyBroker(), type, [name]));
        return !coordinatorRefused.has(coordinators[0]?.errorCode ?? 0);
      });
    },
    async mayWrite(transactionalId) {
      return await ask("look for the right to write in transactions", async () => {
        // Kafka tells nobody what he may do with a transactional id; but it looks at the rights before all else.
        const end = endTxnV3.api.async(await anyBroker(), transactionalId, noProducer, 0, false);
        return !coordinatorRefused.has((await withErrors(end)).errorCode);
      });
    },
    close,
  };
}
