/** What a store holds, as lines of the queue: so that the audit can judge a store that nothing was sent from. */
import { pino } from "pino";
import { openStoreFile } from "../../agent/store/file.ts";
import { openStore, type Store } from "../../agent/store/store.ts";
import { type AuditResult, openAudit } from "../../demo/audit.ts";
import { contentOf, openMemory, readerOf } from "../../demo/memory.ts";
import { bodyOf } from "../../gateway/forwarder/outcome.ts";
import { lineTexts } from "../../gateway/queue/lines.ts";
import { lastOf } from "../../shared/block/block.ts";
import { realEnv } from "../../shared/env.ts";
import { messageOf } from "../../shared/errors.ts";
import type { Range } from "../../shared/ranges.ts";
import type { Reading } from "../../shared/reading.ts";

export const stream = "telemetry";
const agent = "pump-17";
const env = realEnv();
const clock = { segment: 0, offsetUs: 0, quality: "synced" } as const;
const triesMax = 2;
/** The largest commit of the writer. */
const attemptedMax = 1_000;
const quotaBytes = 512 * 1024 * 1024;

export const storeOptions = {
  streams: [{ name: stream, priority: 5, policy: "reject" as const }],
  quotaBytes,
  cacheBytes: 2 * 1024 * 1024,
  fileBytesMax: quotaBytes,
};

const series = { name: "flow", unit: "l/s", labels: { pipe: "north" } };
/** Times that jitter: regular ones compress so well that no block would need a page of its own. */
const timeOf = (id: number): number => 1_767_225_600_000_000 + id * 1_000 + ((id * 7_919) % 997);

/** The reading with an id, which is its value. */
export function readingOf(id: number): Reading {
  return { ...series, timeUs: timeOf(id), stamped: false, value: id };
}

export interface StoreAudit {
  readonly result: AuditResult;
  /** How the store was opened: null for the normal way. */
  readonly recovery: string | null;
}

/**
 * Opens the store in `folder` as a starting agent does, and audits all it holds.
 * @param acknowledged ids from 1 up to this were acknowledged, and some more may have been attempted
 * @param refused the ids among them that were not
 */
export function auditStore(folder: string, acknowledged: number, refused?: Pick<Range, "first" | "last">): StoreAudit {
  const memory = openMemory();
  for (let id = 1; id <= acknowledged + attemptedMax; id++) {
    memory.attempt({ agent, stream }, { name: series.name, value: id }, contentOf({ ...series, timeUs: timeOf(id) }));
    const wasRefused = refused !== undefined && id >= refused.first && id <= refused.last;
    if (id <= acknowledged && !wasRefused) memory.acknowledge([`${series.name} ${id}`]);
  }
  const audit = openAudit(memory, readerOf());
  const { lines, recovery } = linesOfStore(folder);
  for (const line of lines) audit.take(line.trimEnd());
  return { result: audit.end(), recovery };
}

interface Read {
  readonly lines: string[];
  readonly recovery: string | null;
}

/** Reads a store to its end; damage that shows on the way makes the next try take it over, as the agent does. */
function linesOfStore(folder: string): Read {
  for (let tries = 0; ; tries++) {
    const read = readOnce(folder, tries < triesMax);
    if (read !== undefined) return read;
  }
}

function readOnce(folder: string, mayFail: boolean): Read | undefined {
  const file = openStoreFile({ ...storeOptions, folder, env, log: pino({ level: "silent" }) });
  try {
    const store = openStore(file.db, env, { ...storeOptions, quarantine: file.quarantine.keepBlock });
    return { lines: [...linesOf(store)], recovery: file.recovery };
  } catch (error) {
    if (!mayFail) throw error;
    file.setDamaged(messageOf(error));
    return undefined;
  } finally {
    file.close();
  }
}

function* linesOf(store: Store): Iterable<string> {
  for (const lane of store.lanes()) {
    for (let next = 1; next <= lane.last; ) {
      const [row] = store.page(lane, next);
      if (row === undefined) break;
      const block = store.block(lane, row);
      // A damaged block has just been replaced by a loss record, which is read instead.
      if (block === undefined) continue;
      const name = { agent, stream: lane.name, epoch: lane.epoch };
      const spans = [{ first: row.first, last: lastOf(row) }];
      const body = bodyOf({ clock, block });
      yield* lineTexts([{ lane: name, spans, block, body }]);
      next = lastOf(row) + 1;
    }
  }
}
