/**
 * The child of the crash tests of the file queue: commits readings seq by seq, as a forwarder does, and prints what was
 * acknowledged. After a commit that failed it asks the queue how far it really is, or, with `die`, it dies on the spot.
 */
import { writeSync } from "node:fs";
import { openFileQueue } from "../../gateway/queue/file.ts";
import type { Queue } from "../../gateway/queue/queue.ts";
import { Fault } from "../../shared/errors.ts";
import { highest } from "../../shared/ranges.ts";
import { laneOf, positionOf, readings } from "../fakes/outcomes.ts";
import { queueOptions } from "../fakes/queue-folder.ts";

const [folder = "", commits = "0", atRefusal = "go-on"] = process.argv.slice(2);
const lane = laneOf("pump-17");
const refusalsMax = 100;
let refusals = 0;

async function write(): Promise<void> {
  const queue = openAtLast();
  for (let done = 0; done < Number(commits); ) {
    try {
      const first = highest(queue.forwarded(lane)) + 1;
      const last = first + (first % 40);
      const values = Array.from({ length: last - first + 1 }, (_, row) => first + row);
      await queue.commit([readings(lane, first, values)], [positionOf(lane, 1, last)]);
      writeSync(1, `acknowledged ${last}\n`);
      done++;
    } catch (error) {
      refused(error);
    }
  }
  await queue.close();
}

function openAtLast(): Queue {
  for (;;) {
    try {
      return openFileQueue(queueOptions(folder, { segmentBytesMax: 40_000 }));
    } catch (error) {
      refused(error);
    }
  }
}

function refused(error: unknown): void {
  if (!(error instanceof Fault) || !error.retryable || ++refusals > refusalsMax) throw error;
  writeSync(1, `refused ${error.code}\n`);
  if (atRefusal === "die") process.kill(process.pid, "SIGKILL");
}

await write();
