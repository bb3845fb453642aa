/** The same parts read back, each field checked. @throws Fault `protocol` */
import { type Block, codecLoss } from "../block/block.ts";
import * as limits from "../limits.ts";
import { type Range, type Ranges, rangesFault, type Span } from "../ranges.ts";
import * as field from "./fields.ts";
import { type Clock, clockQualities, type EpochRecord } from "./messages.ts";

const readChain = field.nullable(field.hex(8));

export function readRanges(value: unknown): Ranges {
  const ranges = field.list(limits.rangesMax, (item): Range => {
    const [first, last, before, after] = field.tuple(item, 4);
    return { first: field.seq(first), last: field.seq(last), before: readChain(before), after: readChain(after) };
  })(value);
  const fault = rangesFault(ranges);
  if (fault !== undefined) throw field.malformed(fault);
  return ranges;
}

export function readRecord(value: unknown): EpochRecord {
  const [epoch, storeId, run, predecessor, givenUp] = field.tuple(value, 5);
  return {
    epoch: field.epoch(epoch),
    storeId: field.id(storeId),
    run: field.seq(run),
    predecessor: field.nullable((item) => {
      const [before, lastSeqs] = field.tuple(item, 2);
      const pairs = field.list(limits.streamsMax, (pair): [string, number] => {
        const [stream, last] = field.tuple(pair, 2);
        return [field.name(stream), field.count(last)];
      })(lastSeqs);
      return { epoch: field.epoch(before), lastSeqs: new Map(pairs) };
    })(predecessor),
    givenUp: field.list(limits.givenUpMax, field.epoch)(givenUp),
  };
}

export function readBlock(value: unknown): Block {
  const [first, count, before, after, codec, rawBytes, crc, repeated, bytes] = field.tuple(value, 9);
  const block: Block = {
    first: field.seq(first),
    count: field.seq(count),
    before: readChain(before),
    after: readChain(after),
    codec: field.bounded(255)(codec),
    rawBytes: field.bounded(limits.blockRawBytesMax)(rawBytes),
    crc: field.bounded(0xffff_ffff)(crc),
    repeated: field.flag(repeated),
    bytes: field.bytes(limits.blockBytesMax)(bytes),
  };
  const countMax = block.codec === codecLoss ? limits.lossSpanMax : limits.blockReadingsMax;
  if (block.count > countMax || block.first + block.count - 1 > limits.seqMax) {
    throw field.malformed("a block holds too many seqs");
  }
  return block;
}

export function readClock(value: unknown): Clock {
  const [segment, offsetUs, quality] = field.tuple(value, 3);
  return {
    segment: field.count(segment),
    offsetUs: field.signed(offsetUs),
    quality: field.oneOf(clockQualities)(quality),
  };
}

export function readSpan(value: unknown): Span {
  const [first, last] = field.tuple(value, 2);
  const span = { first: field.seq(first), last: field.seq(last) };
  if (span.last < span.first) throw field.malformed("a span is empty");
  return span;
}
