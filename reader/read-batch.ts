/**
 * Reads what a gateway writes to Kafka in the batch format: one record holds a block of readings, compressed as its
 * agent sent it. gateway/queue/kafka/records/RECORDS.md describes the record, gateway/queue/FORMAT.md the readings.
 */
import { decodeBatch } from "../gateway/queue/kafka/records/value-batch.ts";
import { rowReader, type SeriesMembers, seriesMembers } from "../gateway/queue/rows.ts";
import { timeFormatter } from "../gateway/queue/times.ts";
import { crcHolds } from "../shared/block/block.ts";
import { decodeBlock } from "../shared/block/decode.ts";
import { Fault } from "../shared/errors.ts";
import type { ClockQuality } from "../shared/protocol/messages.ts";

/** A reading with the members that it has as JSON. Agent, stream, epoch and seq are its name for ever. */
export interface BatchReading extends SeriesMembers {
  readonly kind: "reading";
  readonly agent: string;
  readonly stream: string;
  readonly epoch: string;
  readonly seq: number;
  /** RFC 3339, UTC, with six digits of a second. */
  readonly time: string;
  /** The same, µs since 1970. */
  readonly timeUs: number;
  readonly value?: number | string | boolean;
  /** Instead of `value`, where that is bytes. */
  readonly valueBase64?: string;
  readonly clock: ClockQuality;
  readonly repeated?: true;
}

/**
 * The readings of a record, in the order of their seqs: those of its block that this record settles. Dead letters have
 * the same value; a later version may be able to read one.
 * @param value the value of the record; its headers are not needed
 * @throws Fault `damaged` for anything but a batch, `too-new` for what a later version wrote
 */
export function* readBatch(value: Uint8Array): Generator<BatchReading> {
  const { lane, first, last, clock, block } = decodeBatch(value);
  if (!crcHolds(block))
    throw new Fault("damaged", { what: "a batch cannot be read", why: "its checksum does not hold" });
  const columns = decodeBlock(block.codec, block.rawBytes, block.bytes);
  if (columns.count !== block.count) {
    throw new Fault("damaged", { what: "a batch cannot be read", why: "its block has another number of readings" });
  }
  const { agent, stream, epoch } = lane;
  const members = columns.series.map(seriesMembers);
  const mark: { repeated?: true } = block.repeated ? { repeated: true } : {};
  const format = timeFormatter();
  const read = rowReader({ first: block.first, columns, clock });
  for (let seq = first; seq <= last; seq++) {
    const { index, timeUs, value: measured, clock: quality } = read(seq);
    yield {
      ...{ kind: "reading", agent, stream, epoch, seq, time: format(timeUs), timeUs },
      ...(members[index] as SeriesMembers),
      ...(measured instanceof Uint8Array
        ? { valueBase64: Buffer.from(measured).toString("base64") }
        : { value: measured }),
      clock: quality,
      ...mark,
    };
  }
}
