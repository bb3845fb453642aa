/** What is wrong with a body, and where: parsers throw these, the HTTP input turns them into answers. */
import { Fault, type FaultDetail } from "../../../shared/errors.ts";

/** A place in a text, both counted from 1; columns count UTF-16 units. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** A Fault `bad-input` that knows the place in the body. */
export class BodyFault extends Fault {
  readonly place: Place;

  constructor(detail: FaultDetail, place: Place) {
    super("bad-input", detail);
    this.place = place;
  }
}

const sendAgain = "correct it and send the whole body again; nothing of it was stored";

/** The fault of one reading, without a place. */
export function badReading(why: string): Fault {
  return new Fault("bad-input", { what: "a reading cannot be taken", why, remedy: sendAgain });
}

/** The fault at a place of a body. */
export function badAt(place: Place, why: string): BodyFault {
  const what = `the body cannot be taken at line ${place.line}, column ${place.column}`;
  return new BodyFault({ what, why, remedy: sendAgain }, place);
}

/** The place of an offset; computed only when something is wrong. */
export function placeOf(text: string, offset: number): Place {
  let line = 1;
  let start = 0;
  for (let end = text.indexOf("\n"); end !== -1 && end < offset; end = text.indexOf("\n", start)) {
    line += 1;
    start = end + 1;
  }
  return { line, column: offset - start + 1 };
}

/** Most readings of one body: a body of the shortest lines would otherwise cost many times its size in memory (I8). */
export const bodyReadingsMax = 100_000;

/** Refuses a body of too many readings. */
export function tooMany(): Fault {
  return new Fault("too-large", {
    what: "the body holds too many readings",
    why: `one body may hold ${bodyReadingsMax}`,
    remedy: "split it; nothing of it was stored",
  });
}
