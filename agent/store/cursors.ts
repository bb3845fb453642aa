/** Where inputs stand in their sources. A cursor moves in the transaction of the readings it covers (I1). */
import { Fault } from "../../shared/errors.ts";
import type { Db } from "../../shared/sqlite.ts";
import type { CursorMove } from "../inputs/input.ts";

const keyLengthMax = 512;
const valueLengthMax = 4096;

export interface Cursors {
  get(key: string): string | undefined;
  all(prefix: string): Map<string, string>;
  /** Must run inside a transaction. */
  move(moves: readonly CursorMove[]): void;
}

export function openCursors(db: Db): Cursors {
  const get = db.prepare("SELECT value FROM cursor WHERE key=?").pluck();
  const all = db.prepare("SELECT key, value FROM cursor WHERE substr(key, 1, length(:prefix)) = :prefix").raw();
  const put = db.prepare("INSERT OR REPLACE INTO cursor(key, value) VALUES (?,?)");
  const remove = db.prepare("DELETE FROM cursor WHERE key=?");
  return {
    get: (key) => get.get(key) as string | undefined,
    all: (prefix) => new Map(all.all({ prefix }) as [string, string][]),
    move(moves) {
      for (const { key, value } of moves) {
        if (key.length > keyLengthMax || (value?.length ?? 0) > valueLengthMax) {
          throw new Fault("bad-input", { what: `the cursor ${key.slice(0, 80)} is too large` });
        }
        if (value === null) remove.run(key);
        else put.run(key, value);
      }
    },
  };
}
