/**
 * A queue that was moved to its standby counts its moves in the record of each shard. A mirror that runs on, or is started
 * again, copies what the former cluster still held behind what was written here since: that is found, and refused. Pure.
 */
import { Fault } from "../../../../shared/errors.ts";
import type { ShardRecord } from "../records/position-records.ts";

/** Which cluster a shard's records are written to from here on, and how often the queue has been moved. */
export function movedTo(clusterId: string, { clusterId: before, moves }: ShardRecord) {
  return { clusterId, moves: before === "" || before === clusterId ? moves : moves + 1 };
}

/** The newer of two records of a shard. @throws Fault `damaged` where the later one is the copy of an older one */
export function followed(before: ShardRecord, next: ShardRecord): ShardRecord {
  if (next.moves >= before.moves) return next;
  throw new Fault("damaged", {
    what: `records of the queue's former cluster ${next.clusterId} were copied behind those of ${before.clusterId}`,
    why: "MirrorMaker runs, though the queue was moved to its standby; readings may stand there twice by now",
    remedy:
      "stop MirrorMaker; then delete the positions topic, create it again with cleanup.policy=compact, and run " +
      "`holdfast-gateway positions rebuild`, which names what stands there twice",
  });
}
