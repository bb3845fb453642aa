/**
 * The mutants: slips of a line or two, each of which breaks an invariant of docs/design.md, with the test that must
 * notice it. Each invariant has at least two. `npm run mutants` (main.ts) judges them; npm test only looks that every
 * patch still fits and every named test is still there.
 */
import { delivered } from "./delivered.ts";
import { durable } from "./durable.ts";
import { intoTheQueue } from "./into-the-queue.ts";
import { limits } from "./limits.ts";
import { losses } from "./losses.ts";
import { once } from "./once.ts";
import type { Patch } from "./patch.ts";
import { starts } from "./starts.ts";

export type Invariant = "I1" | "I2" | "I3" | "I4" | "I5" | "I6" | "I7" | "I8" | "I9" | "I10";

export interface Mutant {
  /** Says what goes wrong. */
  readonly id: string;
  readonly invariant: Invariant;
  readonly patches: readonly Patch[];
  /** The file to run, and words that stand in the titles of the tests that must fail, literally. */
  readonly test: { readonly file: string; readonly name: string };
}

export const mutants: readonly Mutant[] = [
  ...durable,
  ...delivered,
  ...once,
  ...intoTheQueue,
  ...losses,
  ...limits,
  ...starts,
];
