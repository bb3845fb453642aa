/** A kind of fault, and the units in which faults are timed. */

export const minuteMs = 60_000;
export const hourMs = 60 * minuteMs;

export interface Fault {
  readonly name: string;
  readonly weight: number;
  /** Returns false where it could not happen now. */
  readonly strike: () => boolean;
}
