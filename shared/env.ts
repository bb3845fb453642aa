/**
 * The environment that is injected wherever something is decided: time, randomness and timers. The real one asks the
 * operating system; the simulator's runs years of faults in seconds.
 */
import { randomFillSync } from "node:crypto";
import { readFileSync } from "node:fs";

/** A pending call; `cancel` after it has fired does nothing. */
export interface Timer {
  cancel(): void;
}

export interface Env {
  /** Wall clock in µs since 1970. It may step and lie: nothing orders or expires by it (I7). */
  wallUs(): number;
  /** Monotonic clock in ms: for time-outs, rates and waits. */
  monoMs(): number;
  /** Fills a new array with random bytes from the kernel (a user-space generator repeats itself after a VM snapshot). */
  randomBytes(size: number): Uint8Array;
  /** A number in [0, 1), for jitter and shuffles. */
  random(): number;
  /** Calls `action` once after `delayMs`. */
  after(delayMs: number, action: () => void): Timer;
  /** Calls `action` once, as soon as the events that already wait have been handled. */
  soon(action: () => void): Timer;
  /** Names this boot of the machine: monotonic times compare only within one boot. */
  readonly bootId: string;
}

function readBootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    // Without a boot id every process start counts as a boot of its own, which only makes clock segments shorter.
    return hex(randomFillSync(new Uint8Array(16)));
  }
}

/** Lower-case hexadecimal of `bytes`. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

/** The environment of a real process. */
export function realEnv(): Env {
  return {
    // Date.now follows clock steps; performance.timeOrigin would hide them.
    wallUs: () => Date.now() * 1000,
    monoMs: () => performance.now(),
    randomBytes: (size) => randomFillSync(new Uint8Array(size)),
    random: Math.random,
    after(delayMs, action) {
      const timer = setTimeout(action, delayMs);
      return { cancel: () => clearTimeout(timer) };
    },
    soon(action) {
      const timer = setImmediate(action);
      return { cancel: () => clearImmediate(timer) };
    },
    bootId: readBootId(),
  };
}
