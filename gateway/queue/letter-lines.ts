/** The dead letters among the lines of a file queue. */
import { crc32 } from "node:zlib";
import { clockQualities } from "../../shared/protocol/messages.ts";
import { type FoundLetter, letterId } from "./dead-letters.ts";
import { readQueue } from "./read.ts";

/** How a line of a dead letter begins: only these are parsed. */
const head = Buffer.from('{"kind":"dead-letter"');

/** All that are committed, oldest first, in flat memory. @throws Fault as readQueue does */
export async function* letterLines(folder: string): AsyncGenerator<FoundLetter> {
  for await (const { lines, next } of readQueue({ folder, follow: false })) {
    const startBytes = next.offsetBytes - lines.length;
    for (let at = 0; at < lines.length; ) {
      const end = lines.indexOf(0x0a, at);
      if (lines.subarray(at, at + head.length).equals(head)) {
        yield letterOf(JSON.parse(lines.toString("utf8", at, end)) as Line, [next.segment, startBytes + at]);
      }
      at = end + 1;
    }
  }
}

/** What this queue itself has written (FORMAT.md). */
interface Line {
  readonly agent: string;
  readonly stream: string;
  readonly epoch: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly reason: string;
  readonly blockFirst: number;
  readonly blockCount: number;
  readonly codec: number;
  readonly rawBytes: number;
  readonly repeated?: true;
  readonly clock: string;
  readonly clockSegment: number;
  readonly clockOffsetUs: number;
  readonly payloadBase64: string;
}

function letterOf(line: Line, place: FoundLetter["place"]): FoundLetter {
  const { agent, stream, epoch, firstSeq, lastSeq, reason, codec, rawBytes } = line;
  const lane = { agent, stream, epoch };
  const span = { first: firstSeq, last: lastSeq };
  const quality = clockQualities.find((known) => known === line.clock) ?? "unsynced";
  const bytes = Buffer.from(line.payloadBase64, "base64");
  const seqs = { first: line.blockFirst, count: line.blockCount, before: null, after: null };
  return {
    letter: {
      id: letterId(lane, span),
      lane,
      span,
      reason,
      clock: { segment: line.clockSegment, offsetUs: line.clockOffsetUs, quality },
      block: { ...seqs, codec, rawBytes, crc: crc32(bytes), repeated: line.repeated === true, bytes },
    },
    place,
    // Lines do not say when they came.
    writtenMs: null,
    state: "open",
  };
}
