/** Bits that flip on disks: in the blocks of a store, and in what waits in a journal. */
import type { Db } from "../../shared/sqlite.ts";
import type { Device } from "./device.ts";
import type { Dice } from "./dice.ts";

/** Flips a bit in the bytes of one block. */
export function damageBlock(device: Device, dice: Dice): boolean {
  const { db } = device;
  const among = dice.chance(0.5) ? "WHERE state = 0" : "";
  const rows = db.prepare(`SELECT run, stream, first, body FROM block ${among}`).all() as {
    run: number;
    stream: number;
    first: number;
    body: number | null;
  }[];
  if (rows.length === 0) return false;
  const { run, stream, first, body } = dice.pick(rows);
  const bytes = (
    body === null
      ? db.prepare("SELECT bytes FROM block WHERE run=? AND stream=? AND first=?").pluck().get(run, stream, first)
      : db.prepare("SELECT bytes FROM body WHERE id=?").pluck().get(body)
  ) as Uint8Array;
  flip(bytes, dice);
  if (body === null)
    db.prepare("UPDATE block SET bytes=? WHERE run=? AND stream=? AND first=?").run(bytes, run, stream, first);
  else db.prepare("UPDATE body SET bytes=? WHERE id=?").run(bytes, body);
  return true;
}

function flip(bytes: Uint8Array, dice: Dice): void {
  const at = dice.below(bytes.length);
  bytes[at] = (bytes[at] as number) ^ (1 << dice.below(8));
}

/** An entry that waits in a journal. */
export interface Waiting {
  readonly id: number;
  readonly lane: number;
  /** Chain after its last seq; null for a piece of a block that was cut, and for a loss record that was trimmed. */
  readonly after: string | null;
}

/** What waits in a journal, by lane and in order of the seqs; of one agent, or of all. */
export function waitingEntries(db: Db, agent: string | null): Waiting[][] {
  if (db.prepare("SELECT 1 FROM sqlite_schema WHERE name='entries'").get() === undefined) return [];
  const rows = db
    .prepare(
      `SELECT entries.id AS id, entries.lane AS lane, after FROM entries JOIN lanes ON lanes.id = entries.lane
       WHERE @agent IS NULL OR lanes.agent = @agent ORDER BY entries.lane, entries.first`,
    )
    .all({ agent }) as Waiting[];
  return [...Map.groupBy(rows, ({ lane }) => lane).values()];
}

/** Flips a bit in the payload of each of these entries: a journal cuts them out when it reads them. */
export function damagePayloads(db: Db, entries: readonly Waiting[], dice: Dice): void {
  for (const { id } of entries) {
    const bytes = db.prepare("SELECT bytes FROM payloads WHERE id=?").pluck().get(id) as Uint8Array;
    flip(bytes, dice);
    db.prepare("UPDATE payloads SET bytes=? WHERE id=?").run(bytes, id);
  }
}
