/** Gives memory back that V8 would keep: what only the start needed, and buffers that nobody holds any more. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

type Collect = (options: { type: "major"; flavor?: "last-resort"; execution?: "async" }) => unknown;

function collector(): Collect {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as Collect;
  setFlagsFromString("--no-expose-gc");
  return collect;
}

/**
 * Collects all garbage and returns the free pages to the system; call it once, when every part has started. Loading and
 * compiling the modules leaves 8 to 9 MB behind (measured: 78 to 70 MB), which a device that is idle from then on would
 * otherwise keep for good, since V8 collects only when something allocates. It blocks for some 10 to 30 ms.
 */
export function releaseStartMemory(): void {
  collector()({ type: "major", flavor: "last-resort" });
}

/**
 * Collects garbage whenever so many bytes have come in buffers. V8 counts them, but lets 64 MB of them gather before it looks
 * for those that are free: 23 MB of a gateway's memory were such (measured). Each time costs some 20 ms.
 * @returns to be told of the bytes that came
 */
export function collectEvery(everyBytes: number): (bytes: number) => void {
  const collect = collector();
  let came = 0;
  return (bytes) => {
    came += bytes;
    if (came < everyBytes) return;
    came = 0;
    void collect({ type: "major", execution: "async" });
  };
}
