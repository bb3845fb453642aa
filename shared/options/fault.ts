/** What a check of a configuration finds, and how it is named. */
import { distance } from "fastest-levenshtein";
import type { Place } from "./given.ts";

/** Something wrong in a configuration; a `warning` does not keep the program from running. */
export interface OptionFault {
  readonly severity: "fault" | "warning";
  /** The file or the environment variable that holds it. */
  readonly source: string;
  /** Line and column in the file, from 1; null where there is none. */
  readonly line: number | null;
  readonly column: number | null;
  /** Path of the option, for instance `streams[1].name`; empty for the file as a whole. */
  readonly path: string;
  readonly what: string;
  readonly why: string;
  readonly remedy: string;
}

/** A fault at a place of the configuration. */
export function faultAt(place: Place, path: string, what: string, why: string, remedy: string): OptionFault {
  return { severity: "fault", ...place, path, what, why, remedy };
}

/** The candidate that a mistyped word most likely means; undefined where none is near. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const bounded = word.slice(0, 100).toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(bounded.length / 3)) + 1;
  for (const candidate of candidates) {
    const far = distance(bounded, candidate.toLowerCase());
    if (far < bestDistance) {
      best = candidate;
      bestDistance = far;
    }
  }
  return best;
}

/** What a fault quotes of a value: enough to recognise it, never more. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
