/** Batches as agents send them, made once and given to a journal. */
import { crc32 } from "node:zlib";
import type { Block } from "../shared/block/block.ts";
import { chainNext, chainStart } from "../shared/chain.ts";
import type { Batch } from "../shared/protocol/messages.ts";

export type Encoded = Pick<Block, "count" | "codec" | "rawBytes" | "bytes">;

const epoch = "1122334455667788";
const record = { epoch, storeId: "c".repeat(32), run: 1, predecessor: null, givenUp: [] };

/** Batches of consecutive blocks with true chains; `encoded` are taken in turn. */
export function* batchesOf(
  groupId: string,
  encoded: readonly Encoded[],
  batches: number,
  blocks: number,
): Generator<Batch> {
  let chain = chainStart(epoch, "telemetry");
  let first = 1;
  let next = 0;
  for (let at = 0; at < batches; at++) {
    const list: Block[] = [];
    for (let i = 0; i < blocks; i++) {
      const one = encoded[next++ % encoded.length] as Encoded;
      const after = chainNext(chain, first, one.count, one.bytes);
      list.push({ ...one, first, before: chain, after, crc: crc32(one.bytes), repeated: false });
      chain = after;
      first += one.count;
    }
    yield {
      type: "batch",
      nonce: epoch,
      groupId,
      stream: "telemetry",
      record,
      newest: first - 1,
      clock: { segment: 1, offsetUs: 0, quality: "synced" },
      blocks: list,
    };
  }
}
