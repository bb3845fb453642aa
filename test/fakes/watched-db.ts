/** A database whose statements are counted, and fail where a test says so. */
import type { Db } from "../../shared/sqlite.ts";

export interface WatchedDb {
  readonly db: Db;
  /** Rows that statements have returned so far. */
  rows(): number;
  /** Lets the nth changing statement from now on fail once, as on a full disk where no code is given; COMMIT counts as one. */
  failAt(nth: number, code?: string): void;
  /** Changing statements that were run, the failing one included. */
  changes(): number;
}

export function watchDb(real: Db): WatchedDb {
  let rows = 0;
  let changes = 0;
  let failing = Number.POSITIVE_INFINITY;
  let failure = "";

  function counted(sql: string, statement: object): object {
    return new Proxy(statement, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        return (...args: unknown[]): unknown => {
          if (name === "run" && !/^(BEGIN|ROLLBACK)/.test(sql) && ++changes === failing) {
            throw Object.assign(new Error("disk is full, or fails"), { code: failure });
          }
          const result: unknown = value.apply(target, args);
          if (name === "get" && result !== undefined) rows++;
          if (name === "all") rows += (result as unknown[]).length;
          // A chained setting such as pluck() returns the statement itself.
          return result === target ? counted(sql, target) : result;
        };
      },
    });
  }

  const db = new Proxy(real, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name === "prepare") return (sql: string) => counted(sql, target.prepare(sql));
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return {
    db,
    rows: () => rows,
    failAt(nth, code = "SQLITE_FULL") {
      changes = 0;
      failing = nth;
      failure = code;
    },
    changes: () => changes,
  };
}
