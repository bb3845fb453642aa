/**
 * The loss record: a block without readings that names one contiguous run of seqs which will never arrive (I6). It
 * fills those seqs and has no seq of its own. Its bytes are CBOR: [reason, time from, time to].
 */
import { crc32 } from "node:zlib";
import { decodeCbor, encodeCbor } from "../cbor.ts";
import type { Chain } from "../chain.ts";
import { Fault } from "../errors.ts";
import { type Block, codecLoss } from "./block.ts";

const lossReasons = ["quota", "thinned", "corrupt", "store-lost", "journal-lost"] as const;
export type LossReason = (typeof lossReasons)[number];

export interface LossRecord {
  readonly reason: LossReason;
  /** Bounds of the times of what was lost, µs; an upper bound of the span, null where nothing is known. */
  readonly fromUs: number | null;
  readonly toUs: number | null;
}

/** The block that carries a loss record. */
export function lossBlock(
  loss: LossRecord,
  place: { first: number; count: number; before: Chain; after: Chain; repeated: boolean },
): Block {
  const bytes = encodeCbor([loss.reason, loss.fromUs, loss.toUs]);
  return { ...place, codec: codecLoss, rawBytes: bytes.length, crc: crc32(bytes), bytes };
}

/**
 * Reads the bytes of a loss record.
 * @throws Fault `damaged` where they are none
 */
export function readLoss(bytes: Uint8Array): LossRecord {
  const fields = decodeCbor(bytes);
  if (Array.isArray(fields) && fields.length === 3) {
    const [reason, fromUs, toUs] = fields as unknown[];
    if (lossReasons.includes(reason as LossReason) && isTimeOrNull(fromUs) && isTimeOrNull(toUs)) {
      return { reason: reason as LossReason, fromUs, toUs };
    }
  }
  throw new Fault("damaged", { what: "a loss record cannot be read" });
}

function isTimeOrNull(time: unknown): time is number | null {
  return time === null || (typeof time === "number" && Number.isSafeInteger(time));
}
