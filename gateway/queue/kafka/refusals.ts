/** Why a shard does nothing for its caller now. */
import { Fault } from "../../../shared/errors.ts";
import type { Place } from "./cluster.ts";

export function closedFault(): Fault {
  return new Fault("closed", { what: "the queue is closed", retryable: true });
}

export function takenFault(shard: number, owner: string): Fault {
  return new Fault("closed", {
    what: `shard ${shard} of the queue is forwarded by another gateway`,
    why: `${owner} has taken it over`,
    remedy: "run one gateway for each shard; restart this one when the other has stopped",
  });
}

export function staleFault(why = "its positions changed"): Fault {
  return new Fault("unavailable", { what: "the queue began anew", why, retryable: true });
}

export function unreleasedFault(): Fault {
  return new Fault("unavailable", {
    what: "the queue waits for the release of what it has",
    why: "the leaders of its partitions keep changing",
    retryable: true,
  });
}

/** Why positions are refused whose first offset is not 0: nobody knows what stood before it, and compaction leaves it alone. */
export function beginningLost({ topic, partition }: Place, low: number): { what: string; why: string; remedy: string } {
  return {
    what: `${topic}, partition ${partition}, has lost its beginning`,
    why: `its first offset is ${low}`,
    remedy:
      "delete the topic, create it again with cleanup.policy=compact, and run `holdfast-gateway positions rebuild`",
  };
}
