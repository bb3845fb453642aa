/** One step at a time: commits, roll-overs and retention of a queue, or messages of a lane, never run into each other. */

export interface Turns {
  /** Steps that were given and are not done. */
  readonly waiting: number;
  /** Runs a step after all earlier ones are done, whether they failed or not. */
  take<T>(step: () => T | Promise<T>): Promise<T>;
}

export function takeTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  return {
    get waiting() {
      return waiting;
    },
    take(step) {
      waiting++;
      const mine = last.then(step).finally(() => void waiting--);
      last = mine.catch(() => undefined);
      return mine;
    },
  };
}
