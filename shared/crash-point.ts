/**
 * Named places at which a test lets the process die, as by a power cut: in the shipped code, because only there the
 * order of the steps around them is the real one. HOLDFAST_CRASH_AT="name" dies at the first pass, "name:3" at the
 * third. Without the variable a pass is one comparison.
 */

const [armed, passes] = (process.env.HOLDFAST_CRASH_AT ?? "").split(":");
let left = Number(passes ?? 1);

/** Dies here, without a chance to finish anything, where this point is armed. */
export function crashPoint(name: string): void {
  if (name === armed && --left === 0) process.kill(process.pid, "SIGKILL");
}
