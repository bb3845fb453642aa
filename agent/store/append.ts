/** Appending: encoded readings become blocks of the open epoch, in the caller's transaction (I1). */
import type { EncodedBlock } from "../../shared/block/encode.ts";
import { type LossRecord, lossBlock } from "../../shared/block/loss.ts";
import { chainNext } from "../../shared/chain.ts";
import { type BlockRow, pending } from "./blocks.ts";
import type { Core } from "./core.ts";
import { count, type Lane, untalliedBlocksMax } from "./lanes.ts";
import { openLane } from "./open-epoch.ts";

/** Gives blocks their seqs and chains and stores them as pending. */
export function appendBlocks(core: Core, stream: string, encoded: readonly EncodedBlock[], segment: number): void {
  const lane = openLane(core, stream);
  for (const block of encoded) {
    const first = lane.last + 1;
    const before = lane.chain as string;
    const after = chainNext(before, first, block.count, block.bytes);
    core.blocks.insert(
      {
        run: lane.run,
        stream: lane.stream,
        first,
        count: block.count,
        state: pending,
        codec: block.codec,
        rawBytes: block.rawBytes,
        crc: block.crc,
        repeated: false,
        segment,
        minUs: block.minUs,
        maxUs: block.maxUs,
        before,
        after,
      },
      block.bytes,
    );
    advance(lane, block.count, after, block.bytes.length);
  }
  // The saved tallies lag behind; a start walks what was appended since, so about this many rows at the most (I8).
  lane.untallied += encoded.length;
  if (lane.untallied >= untalliedBlocksMax) core.lanes.save(lane);
}

/** Appends a block that had another name: its bytes stay where they are, its chain is new. */
export function appendAgain(core: Core, lane: Lane, row: BlockRow, bytes: Uint8Array): void {
  const first = lane.last + 1;
  const before = lane.chain as string;
  const after = chainNext(before, first, row.count, bytes);
  core.blocks.rename(row, { run: lane.run, first, before, after });
  advance(lane, row.count, after, row.sizeBytes);
}

/** Appends a loss record that takes `seqs` new seqs, to name what had other names (PROTOCOL §6). */
export function appendLoss(core: Core, lane: Lane, loss: LossRecord, seqs: number, repeated: boolean): void {
  const first = lane.last + 1;
  const before = lane.chain as string;
  const block = lossBlock(loss, { first, count: seqs, before, after: null, repeated });
  const after = chainNext(before, first, seqs, block.bytes);
  const { bytes, ...head } = block;
  core.blocks.insert(
    {
      ...head,
      after,
      run: lane.run,
      stream: lane.stream,
      state: pending,
      segment: 0,
      minUs: loss.fromUs,
      maxUs: loss.toUs,
    },
    bytes,
  );
  advance(lane, seqs, after, bytes.length);
}

function advance(lane: Lane, seqs: number, chain: string, sizeBytes: number): void {
  lane.last += seqs;
  lane.chain = chain;
  count(lane.tallies[pending], { count: seqs, sizeBytes }, 1);
}
