/**
 * Simulated time. Events happen one at a time in the order of their times; between two of them all promises settle.
 * That is done with `process.nextTick`, whose callbacks run once the microtask queue is empty (0.15 µs an event;
 * `setImmediate` would take 1.1 µs), so that no event ever sees a half-finished chain of promises.
 */
import type { Timer } from "../../shared/env.ts";

/** A process of the simulation. What it has scheduled dies with it. */
export interface Life {
  alive: boolean;
  /** A stalled process (its disk hangs) handles nothing before this; then everything that waited, in order. */
  stalledUntilMs: number;
}

export function newLife(): Life {
  return { alive: true, stalledUntilMs: 0 };
}

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly life: Life | null;
  action: (() => void) | null;
}

export interface Clock {
  nowMs(): number;
  /** Calls `action` after `delayMs`, unless `life` has ended by then. */
  after(delayMs: number, life: Life | null, action: () => void): Timer;
  /** Runs all events up to `untilMs`. */
  run(untilMs: number): Promise<void>;
  /** Events so far, and a fingerprint of their times: equal seeds must have equal ones. */
  events(): number;
  fingerprint(): number;
}

export function createClock(): Clock {
  const heap: Event[] = [];
  let nowMs = 0;
  let order = 0;
  let events = 0;
  let fingerprint = 0x811c9dc5;

  const before = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

  function push(event: Event): void {
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(event, heap[parent] as Event)) break;
      heap[at] = heap[parent] as Event;
      at = parent;
    }
    heap[at] = event;
  }

  function pop(): Event {
    const top = heap[0] as Event;
    const last = heap.pop() as Event;
    if (heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (!before(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
    return top;
  }

  return {
    nowMs: () => nowMs,
    after(delayMs, life, action) {
      const event: Event = { atMs: nowMs + Math.max(0, delayMs), order: order++, life, action };
      push(event);
      return {
        cancel() {
          event.action = null;
        },
      };
    },
    async run(untilMs) {
      while (heap.length > 0 && (heap[0] as Event).atMs <= untilMs) {
        const { atMs, action, life } = pop();
        if (action === null || life?.alive === false) continue;
        if (life !== null && life.stalledUntilMs > atMs) {
          push({ atMs: life.stalledUntilMs, order: order++, life, action });
          continue;
        }
        nowMs = atMs;
        events++;
        fingerprint = Math.imul(fingerprint ^ Math.floor(atMs * 1000), 0x01000193) >>> 0;
        action();
        await new Promise<void>((resolve) => process.nextTick(resolve));
      }
      nowMs = Math.max(nowMs, untilMs);
    },
    events: () => events,
    fingerprint: () => fingerprint,
  };
}
