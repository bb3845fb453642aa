/**
 * An intake in memory: it commits the portions and cursors of a request together, and can be made to refuse, or to
 * wait before it commits.
 */
import type { Intake, Request } from "../../agent/inputs/input.ts";
import { Fault } from "../../shared/errors.ts";
import type { Reading } from "../../shared/reading.ts";

export interface FakeIntake extends Intake {
  /** Committed requests, in order. */
  readonly committed: readonly Request[];
  /** Calls of append so far, refused ones included. */
  readonly attempts: number;
  /** From now on every append is refused with this code; undefined ends that. */
  refuse(code: "full" | "closed" | "bad-input" | undefined): void;
  /** From now on appends wait; the returned function lets them and all later ones pass. */
  hold(): () => void;
  /** All committed readings of a stream, in order. */
  readings(stream: string): Reading[];
}

/** An empty fake intake. */
export function createFakeIntake(): FakeIntake {
  const committed: Request[] = [];
  const kept = new Map<string, string>();
  let refusal: "full" | "closed" | "bad-input" | undefined;
  let gate: Promise<void> = Promise.resolve();
  let attempts = 0;
  return {
    committed,
    get attempts() {
      return attempts;
    },
    async append(request) {
      attempts += 1;
      await gate;
      if (refusal !== undefined) {
        throw new Fault(refusal, { what: `the fake intake is ${refusal}`, retryable: refusal !== "bad-input" });
      }
      committed.push(request);
      for (const { key, value } of request.cursors ?? []) {
        if (value === null) kept.delete(key);
        else kept.set(key, value);
      }
    },
    cursor: (key) => kept.get(key),
    cursors: (prefix) => new Map([...kept].filter(([key]) => key.startsWith(prefix))),
    refuse(code) {
      refusal = code;
    },
    hold() {
      let release: () => void = () => {};
      gate = new Promise((resolve) => {
        release = resolve;
      });
      return release;
    },
    readings: (stream) =>
      committed.flatMap(({ portions }) =>
        portions.filter((portion) => portion.stream === stream).flatMap((p) => p.readings),
      ),
  };
}
