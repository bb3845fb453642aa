import { Fault } from "../errors.ts";

/** The fault of bytes that are no block. */
export function damaged(why: string, cause?: unknown): Fault {
  return new Fault("damaged", {
    what: "a block cannot be read",
    why,
    remedy: "fetch it again from where it came, or name its readings in a loss record",
    cause,
  });
}
