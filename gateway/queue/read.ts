/**
 * Reading the committed lines of a file queue from any process, while the gateway writes or after it stopped. Only
 * what positions.db counts as committed is read, so no half or withdrawn line is ever seen (I5). Reading changes and
 * deletes nothing (I2).
 */
import { existsSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { codeOf, Fault, messageOf } from "../../shared/errors.ts";
import { openSegmentName, segmentName } from "./segments.ts";

/** A place between two lines; it stays valid for the life of the queue. */
export interface QueueCursor {
  readonly segment: number;
  readonly offsetBytes: number;
}

/** A run of whole lines. */
export interface QueueChunk {
  readonly lines: Buffer;
  /** The place behind these lines: a reader that keeps it goes on there. */
  readonly next: QueueCursor;
  /** Segments in front of these lines that retention had deleted before they were read. */
  readonly skippedSegments: number;
}

export interface ReadQueueOptions {
  readonly folder: string;
  /** True to wait for more at the end. */
  readonly follow: boolean;
  /** Where to begin; the oldest line where absent. */
  readonly from?: QueueCursor;
  /** Ends a reading that follows. */
  readonly signal?: AbortSignal;
}

const chunkBytes = 256 * 1024;
/** Above the longest line: the largest reading or block, as JSON with every character escaped or in base64. */
const lineBytesMax = 2 * 1024 * 1024;
const pollMs = 100;
/** Looks for a file whose name changes under the reader's hands before it counts as deleted. */
const looksMax = 3;

interface Row {
  readonly segment: number;
  readonly bytes: number;
  readonly closed: number;
}

/**
 * Yields the committed lines in order, in chunks of whole lines.
 * @throws Fault `usage` (no queue there, or a cursor beyond its end), `unavailable`, `damaged`
 */
export async function* readQueue(options: ReadQueueOptions): AsyncGenerator<QueueChunk, void, undefined> {
  const { folder, follow, signal } = options;
  const rows = openRows(folder);
  let cursor = options.from ?? { segment: 0, offsetBytes: 0 };
  let skippedSegments = 0;
  let file: FileHandle | undefined;
  const ended = () => signal?.aborted === true;
  try {
    refuseBeyondEnd(rows.last(), rows.at(cursor.segment), cursor);
    while (!ended()) {
      const row: Row | undefined = rows.at(cursor.segment);
      if (row === undefined && file === undefined) {
        // Retention took this segment: go on with the oldest one that is there, and say how many are missing.
        const oldest = rows.from(cursor.segment);
        if (cursor.segment > 0) skippedSegments += oldest.segment - cursor.segment;
        cursor = { segment: oldest.segment, offsetBytes: 0 };
        continue;
      }
      file ??= await openSegment(folder, rows, cursor.segment);
      // A segment that retention took while it was open here is whole: it can be read to its end.
      const end = file === undefined ? 0 : (row?.bytes ?? (await file.stat()).size);
      while (file !== undefined && cursor.offsetBytes < end && !ended()) {
        const lines = await readLines(file, cursor.offsetBytes, end);
        cursor = { segment: cursor.segment, offsetBytes: cursor.offsetBytes + lines.length };
        yield { lines, next: cursor, skippedSegments };
        skippedSegments = 0;
      }
      if (row === undefined || row.closed === 1) {
        if (file === undefined) skippedSegments++;
        await file?.close();
        file = undefined;
        cursor = { segment: cursor.segment + 1, offsetBytes: 0 };
      } else if (follow) {
        await sleep(pollMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
      } else {
        return;
      }
    }
  } finally {
    await file?.close();
    rows.close();
  }
}

/** The rows of positions.db that concern a reader. */
function openRows(folder: string) {
  const path = join(folder, "positions.db");
  if (!existsSync(path)) {
    throw new Fault("usage", {
      what: `there is no queue in ${folder}`,
      why: "it has no positions.db",
      remedy: "name the queue folder of the gateway's configuration",
    });
  }
  try {
    const db = new Database(path, { readonly: true });
    const columns = "SELECT segment, bytes, closed_ms IS NOT NULL AS closed FROM segments";
    const at = db.prepare(`${columns} WHERE segment = ?`);
    const from = db.prepare(`${columns} WHERE segment >= ? ORDER BY segment LIMIT 1`);
    const last = db.prepare(`${columns} ORDER BY segment DESC LIMIT 1`);
    return {
      at: (segment: number) => at.get(segment) as Row | undefined,
      from: (segment: number) => from.get(segment) as Row,
      last: () => last.get() as Row,
      close: () => void db.close(),
    };
  } catch (error) {
    throw new Fault("unavailable", {
      what: `the positions of the queue in ${folder} cannot be read`,
      why: messageOf(error),
      remedy: "read it as the user of the gateway, who may write in that folder",
      cause: error,
    });
  }
}

function refuseBeyondEnd(last: Row, row: Row | undefined, cursor: QueueCursor): void {
  if (cursor.segment <= last.segment && (row === undefined || cursor.offsetBytes <= row.bytes)) return;
  throw new Fault("usage", {
    what: `segment ${cursor.segment}, byte ${cursor.offsetBytes} is beyond the end of the queue`,
    why: `its last line ends at segment ${last.segment}, byte ${last.bytes}`,
    remedy: "the place was noted for another queue: begin anew",
  });
}

/** Opens a segment under whichever of its two names it has; undefined where it is gone for good. */
async function openSegment(folder: string, rows: ReturnType<typeof openRows>, segment: number) {
  for (let look = 0; look < looksMax; look++) {
    for (const name of [segmentName(segment), openSegmentName(segment)]) {
      try {
        return await open(join(folder, name), "r");
      } catch (error) {
        if (codeOf(error) !== "ENOENT") throw error;
      }
    }
    if (rows.at(segment) === undefined) return undefined;
  }
  return undefined;
}

async function readLines(file: FileHandle, offset: number, end: number): Promise<Buffer> {
  for (let size = chunkBytes; ; size *= 2) {
    const buffer = Buffer.allocUnsafe(Math.min(size, end - offset));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
    const length = buffer.subarray(0, bytesRead).lastIndexOf(0x0a) + 1;
    if (length > 0) return buffer.subarray(0, length);
    if (bytesRead < size || size >= lineBytesMax) {
      throw new Fault("damaged", {
        what: "a segment of the queue holds no line where one should be",
        why: `from byte ${offset} on it has no line feed before byte ${offset + bytesRead}`,
        remedy: "look at the disk, and begin behind this segment",
      });
    }
  }
}
