/**
 * A block as it came, with all that is needed to read it: the value of a record of the batch format, and of a dead
 * letter. One CBOR array (RFC 8949) whose last item is the block's bytes; RECORDS.md has its CDDL.
 *
 * It stands on its own, without the record's headers, because what copies topics elsewhere (to object stores, above all)
 * often drops them. Rejected: headers for all of it, and the bare block as the value.
 */
import { type BlockHead, lastOf } from "../../../../shared/block/block.ts";
import { decodeCbor, encodeCbor, integer } from "../../../../shared/cbor.ts";
import { Fault } from "../../../../shared/errors.ts";
import { blockBytesMax, blockHeadBytesMax, lossSpanMax, seqMax } from "../../../../shared/limits.ts";
import { type Clock, clockQualities } from "../../../../shared/protocol/messages.ts";
import type { Span } from "../../../../shared/ranges.ts";
import { isIdentifier } from "../../../../shared/reading.ts";
import type { Lane } from "../../queue.ts";

/** A block that settles a span of seqs; its chains are headers of the record. */
export interface BatchValue extends Span {
  readonly lane: Lane;
  readonly clock: Clock;
  readonly block: Omit<BlockHead, "before" | "after"> & { readonly bytes: Uint8Array };
}

const version = 1;
const items = 14;
/** A block's head, and a lane and a clock beside it. */
const valueBytesMax = blockBytesMax + 4 * blockHeadBytesMax;

export function encodeBatch({ lane, first, last, clock, block }: BatchValue): Uint8Array {
  return encodeCbor([
    version,
    lane.agent,
    lane.stream,
    lane.epoch,
    integer(first),
    integer(last),
    integer(block.first),
    integer(block.count),
    block.codec,
    block.rawBytes,
    block.crc,
    block.repeated,
    [clock.segment, integer(clock.offsetUs), clock.quality],
    block.bytes,
  ]);
}

/**
 * Reads what `encodeBatch` wrote. The bytes of the block are a view; whether its CRC holds is for the caller to ask.
 * @throws Fault `damaged`, or `too-new` for what a later version wrote
 */
export function decodeBatch(value: Uint8Array): BatchValue {
  if (value.length > valueBytesMax) throw damaged(`it has ${value.length} bytes`);
  const array = decodeCbor(value);
  if (!Array.isArray(array)) throw damaged("it is no array");
  const [found, agent, stream, epoch, first, last, blockFirst, count, codec, rawBytes, crc, repeated, clock, bytes] =
    array as unknown[];
  if (isCount(found) && found > version) {
    throw new Fault("too-new", {
      what: `the batch has version ${found}`,
      remedy: "install a later version of Holdfast",
    });
  }
  if (found !== version || array.length !== items) throw damaged("it is not laid out as a batch");
  const isNamed = isName(agent) && isName(stream) && typeof epoch === "string" && /^[0-9a-f]{16}$/.test(epoch);
  if (!isNamed) throw damaged("it names no agent, stream and epoch");
  if (!isCount(codec) || !isCount(rawBytes) || !isCount(crc) || typeof repeated !== "boolean") {
    throw damaged("the block's head is none");
  }
  if (!isCount(blockFirst) || !isCount(count) || blockFirst < 1 || count < 1 || count > lossSpanMax) {
    throw damaged("the block's seqs are none");
  }
  if (!isCount(first) || !isCount(last) || first < blockFirst || last < first || last > blockFirst + count - 1) {
    throw damaged("its seqs are not the block's");
  }
  if (!(bytes instanceof Uint8Array)) throw damaged("it has no block");
  const block = { first: blockFirst, count, codec, rawBytes, crc, repeated, bytes };
  if (lastOf(block) > seqMax) throw damaged("the block's seqs are none");
  return { lane: { agent, stream, epoch }, first, last, clock: readClock(clock), block };
}

function readClock(fields: unknown): Clock {
  if (Array.isArray(fields) && fields.length === 3) {
    const [segment, offsetUs, text] = fields as unknown[];
    const quality = clockQualities.find((known) => known === text);
    if (isCount(segment) && Number.isSafeInteger(offsetUs) && quality !== undefined) {
      return { segment, offsetUs: offsetUs as number, quality };
    }
  }
  throw damaged("its clock is none");
}

function isName(field: unknown): field is string {
  return typeof field === "string" && isIdentifier(field);
}

function isCount(field: unknown): field is number {
  return typeof field === "number" && Number.isSafeInteger(field) && field >= 0;
}

function damaged(why: string): Fault {
  return new Fault("damaged", { what: "a batch cannot be read", why });
}
