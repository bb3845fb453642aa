/** Of two clusters together: every reading in one record, and in two only where one of them says so. */
import { bothSides, type Side } from "../../../gateway/queue/standby/ledger.ts";
import type { AgentLane } from "../../fakes/agent-lane.ts";
import type { FakeCluster } from "../../fakes/kafka-cluster.ts";
import { countedFormat, dataTopic, deadLetterTopic, lossTopic } from "./counted-format.ts";

export interface SidesAudit {
  readonly clusters: Readonly<Record<Side, FakeCluster>>;
  /** What was given up counts all the same: what is not there must be at the other one. */
  readonly abandoned: Side | null;
  readonly namespace: string;
  readonly partitions: number;
  readonly lanes: readonly AgentLane[];
  readonly say: (line: string) => void;
  readonly find: (kind: string, text: string) => void;
  readonly count: (what: string) => void;
}

export function auditSides({ clusters, abandoned, namespace, partitions, lanes, say, find, count }: SidesAudit): void {
  const { nameOf } = countedFormat(namespace, partitions);
  const seen = new Map<string, { times: number; marks: number; onOther: number }>();
  for (const side of bothSides) {
    for (const [topic, many] of [
      [dataTopic, partitions],
      [lossTopic, 1],
      [deadLetterTopic, 1],
    ] as const) {
      for (let partition = 0; partition < many; partition++) {
        for (const { headers, offset } of clusters[side].committed({ topic, partition })) {
          const name = nameOf(headers);
          if (name === undefined || name === "foreign") continue;
          const isMarked = headers.some(([key]) => key === "maybe-repeated");
          for (let seq = name.first; seq <= name.last; seq++) {
            const key = `${name.lane.agent} ${seq}`;
            const known = seen.get(key) ?? { times: 0, marks: 0, onOther: 0 };
            const onOther = known.onOther + (side === abandoned ? 0 : 1);
            seen.set(key, { times: known.times + 1, marks: known.marks + (isMarked ? 1 : 0), onOther });
            say(`   ${side} ${topic}/${partition}@${offset} ${key} t ${name.t}${isMarked ? " maybe repeated" : ""}`);
            count(`on the ${side}`);
          }
        }
      }
    }
  }
  for (const lane of lanes) {
    for (let seq = 1; seq <= lane.newest(); seq++) {
      const { times, marks } = seen.get(`${lane.lane.agent} ${seq}`) ?? { times: 0, marks: 0 };
      if (times > 1 && marks === 0) find("DOUBLE", `${lane.lane.agent} ${seq} stands ${times} times`);
      if (times > 1 && marks > 0) count("repeated, and marked so");
      if (times === 0) find("HOLE", `${lane.lane.agent} ${seq} stands nowhere`);
    }
  }
}
