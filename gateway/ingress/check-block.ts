/** What ingress checks of a block before the journal sees it (PROTOCOL.md §5, rule 3). It never decompresses. */
import { type Block, codecColumns, codecLoss, crcHolds } from "../../shared/block/block.ts";
import { readLoss } from "../../shared/block/loss.ts";
import type { NackReason } from "../../shared/protocol/messages.ts";

/** A loss record is a reason and two times; nothing longer is one. */
const lossBytesMax = 256;

/**
 * Why a block is refused; undefined where it may go on.
 * @param codecs the codecs of readings that every member of the group reads
 */
export function blockFault(block: Block, codecs: readonly number[]): NackReason | undefined {
  if (block.codec === codecLoss) return isLoss(block) ? undefined : "malformed";
  if (!codecs.includes(block.codec)) return "unsupported";
  if (block.bytes.length === 0 || !crcHolds(block)) return "malformed";
  if (block.codec === codecColumns && block.rawBytes !== block.bytes.length) return "malformed";
  return undefined;
}

function isLoss(block: Block): boolean {
  if (block.bytes.length > lossBytesMax || block.rawBytes !== block.bytes.length || !crcHolds(block)) return false;
  try {
    readLoss(block.bytes);
    return true;
  } catch {
    return false;
  }
}
