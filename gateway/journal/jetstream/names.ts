/** Names within a journal's stream and archive. Agents, streams and epochs are plain identifiers, so they need no escape. */
import { crc32 } from "node:zlib";
import type { Lane } from "../../queue/queue.ts";

/** The shard of an agent: the same as in the queue on Kafka, so that one lease covers both. */
export function shardOf(agent: string, shards: number): number {
  return crc32(agent) % shards;
}

/** All lanes of a shard have subjects below it. */
export function shardPrefix(shard: number): string {
  return `${shard}.`;
}

/** All lanes of an agent have subjects below it. */
export function agentPrefix(agent: string, shards: number): string {
  return `${shardPrefix(shardOf(agent, shards))}${agent}.`;
}

export function subjectOf({ agent, stream, epoch }: Lane, shards: number): string {
  return `${agentPrefix(agent, shards)}${stream}.${epoch}`;
}

/** The lane of a subject; undefined for one that no gateway writes. */
export function laneOf(subject: string): Lane | undefined {
  const [, agent, stream, epoch, ...more] = subject.split(".");
  if (agent === undefined || stream === undefined || epoch === undefined || more.length > 0) return undefined;
  return { agent, stream, epoch };
}

export function laneKeyOf({ agent, stream, epoch }: Lane): string {
  return `lane.${agent}.${stream}.${epoch}`;
}

export function storeKeyOf(agent: string, storeId: string): string {
  return `store.${agent}.${storeId}`;
}
