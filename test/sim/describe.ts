/** Messages in one line, for the trace. */
import { codecLoss } from "../../shared/block/block.ts";
import { decodeMessage } from "../../shared/protocol/codec.ts";
import type { Ranges } from "../../shared/ranges.ts";

const short = (id: string): string => id.slice(0, 4);

function rangesText(ranges: Ranges): string {
  return ranges.map(({ first, last, after }) => `${first}..${last}:${after === null ? "?" : short(after)}`).join(" ");
}

export function describe(bytes: Uint8Array): string {
  const message = decodeMessage(bytes);
  const head = `${message.type} ${short(message.nonce)}`;
  switch (message.type) {
    case "hello":
      return `${head} store ${short(message.storeId)} open ${message.open === null ? "-" : `${short(message.open.epoch)} run ${message.open.run}`} unsettled from ${message.lowestUnsettledRun}`;
    case "welcome":
      return `${head} journal ${short(message.journalId)}`;
    case "ask":
      return `${head} ${message.entries.map(({ stream, epoch, run, version, newest, gone }) => `${stream}/${short(epoch)} run ${run} v${version} newest ${newest}${gone.map((span) => ` gone ${span.first}..${span.last}`).join("")}`).join(", ")}`;
    case "batch":
      return `${head} ${message.stream}/${short(message.record.epoch)} run ${message.record.run} ${message.blocks.map(({ first, count, codec, after }) => `${codec === codecLoss ? "L" : ""}${first}..${first + count - 1}:${after === null ? "?" : short(after)}`).join(" ")}`;
    case "position":
      return `${head} ${message.stream}/${short(message.epoch)} v${message.version} journaled ${rangesText(message.journaled)} forwarded ${rangesText(message.forwarded)}`;
    case "nack":
      return `${head} ${message.reason} ${message.stream}/${short(message.epoch ?? "")} first ${message.first} floor ${message.floor}`;
  }
}
