/**
 * Every limit of protocol version 1 and of the formats, in one place, related to each other by the assertions below.
 *
 * These figures are fixed per protocol version: a smaller limit on one side would make the other side send the same
 * refused message for ever. Sizes are in bytes, counts are plain numbers, times carry their unit in the name.
 */

/** Largest reading: name, unit, labels and value together, as UTF-8 bytes. */
export const readingBytesMax = 64 * 1024;
/** Largest series name, unit, label key or label value, as UTF-8 bytes. */
export const nameBytesMax = 1024;
/** Most labels on one series. */
export const labelsMax = 32;
/** Earliest and latest time of a reading, µs since 1970: 1970-01-01 and 2200-01-01, both safe integers. */
export const timeUsMin = 0;
export const timeUsMax = 7_258_118_400_000_000;

/** Largest encoded block. */
export const blockBytesMax = 256 * 1024;
/** Largest block before compression: what a decoder allocates at the most for one block. */
export const blockRawBytesMax = 4 * 1024 * 1024;
/** Most readings in one block. */
export const blockReadingsMax = 10_000;
/** A loss record may span this many seqs. */
export const lossSpanMax = 2 ** 40;

/** Largest wire message of the sync protocol. */
export const batchBytesMax = 512 * 1024;
/** Most blocks in one batch. */
export const batchBlocksMax = 512;
/** Room in a batch for everything that is not block bytes. */
export const batchHeadBytesMax = 64 * 1024;
/** Room that one block's head takes in a batch. */
export const blockHeadBytesMax = 96;
/** Most disjoint ranges of a position, journaled and forwarded each. */
export const rangesMax = 256;
/** Most entries of one ASK. */
export const askEntriesMax = 64;
/** Most ranges one ASK entry reports as gone. */
export const goneRangesMax = 16;
/** Most given-up epochs named in an epoch record. */
export const givenUpMax = 64;
/** Most streams of one agent. */
export const streamsMax = 32;
/** Most gateways in a group. */
export const gatewaysMax = 32;
/** Most batches in flight. */
export const sendWindowMax = 64;
/** Deepest nesting of a CBOR message. */
export const cborDepthMax = 8;
/** Most CBOR items of a message. */
export const cborItemsMax = 16_384;
/** Longest agent or stream name. */
export const identifierLengthMax = 64;
/** Largest seq: what a double holds exactly. */
export const seqMax = Number.MAX_SAFE_INTEGER;
/** Full and forwarded epochs whose positions a journal keeps, per agent and stream. */
export const epochsKept = 64;

/** JetStream's default payload limit, which a batch must stay below (measured: 1 MiB). */
const jetstreamPayloadBytesMax = 1024 * 1024;

/** Fails at import where two limits contradict each other, so that no build ships with such a pair. */
function related(holds: boolean, relation: string): void {
  if (!holds) throw new Error(`limits contradict each other: ${relation}`);
}

related(readingBytesMax * 2 <= blockBytesMax, "a block holds at least two of the largest readings");
related(blockBytesMax + batchHeadBytesMax <= batchBytesMax, "a batch holds at least one of the largest blocks");
related(batchBytesMax * 2 <= jetstreamPayloadBytesMax, "a batch fits a JetStream message twice");
related(blockBytesMax <= blockRawBytesMax, "a block may be stored uncompressed");
related(batchBlocksMax * 12 < cborItemsMax, "the items of the fullest batch pass the CBOR scan");
related(rangesMax * 2 * 5 < cborItemsMax, "the items of the fullest position pass the CBOR scan");
related(batchBlocksMax * blockHeadBytesMax <= batchHeadBytesMax, "the heads of a full batch fit its head room");
related(rangesMax * 2 * 40 < batchBytesMax, "the largest position fits a message");
related(timeUsMax < Number.MAX_SAFE_INTEGER, "times are exact in a double");
