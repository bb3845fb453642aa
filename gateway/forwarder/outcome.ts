/** What becomes of a journal entry in the queue: readings, a loss, or a dead letter. */
import { codecLoss } from "../../shared/block/block.ts";
import { decodeBlock } from "../../shared/block/decode.ts";
import { readLoss } from "../../shared/block/loss.ts";
import { Fault, messageOf } from "../../shared/errors.ts";
import type { JournalEntry } from "../journal/journal.ts";
import type { Outcome } from "../queue/queue.ts";

export type Body = Outcome["body"];

/**
 * Decodes an entry. A block that passed its CRC but cannot be decoded becomes a dead letter with all that a replay needs.
 * @throws Fault `too-new` for a codec that this version cannot read: a later one can, so it is no dead letter
 */
export function bodyOf({ block, clock }: Pick<JournalEntry, "block" | "clock">): Body {
  const { codec, rawBytes, bytes, first, count, repeated } = block;
  const deadLetter = (reason: string): Body => {
    return { kind: "dead-letter", reason, first, count, codec, rawBytes, repeated, bytes, clock };
  };
  try {
    if (codec === codecLoss) return { kind: "loss", loss: readLoss(bytes) };
    const columns = decodeBlock(codec, rawBytes, bytes);
    if (columns.count === count) return { kind: "readings", first, columns, clock, repeated };
    return deadLetter(`the block holds ${columns.count} readings where its head says ${count}`);
  } catch (error) {
    if (error instanceof Fault && error.code === "too-new") throw error;
    return deadLetter(messageOf(error));
  }
}
