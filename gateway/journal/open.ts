/**
 * Opening the journal's file and keeping it open: decides at each open whether the journal may have gone back, gives it
 * a new id then, and repairs what fails while it runs (PROTOCOL.md §8, I10).
 */
import type { Logger } from "pino";
import { crashPoint } from "../../shared/crash-point.ts";
import type { Env } from "../../shared/env.ts";
import { Fault, messageOf } from "../../shared/errors.ts";
import { isCorrupt, isFull, isIoError } from "../../shared/sqlite.ts";
import { removeLane } from "./forget.ts";
import { type Identity, identitiesDisagree, newIdentity, readIdentity, saveIdentity } from "./identity.ts";
import type { LaneRow } from "./lanes.ts";
import type { Place } from "./place.ts";
import { compare, reseed, type SeedingQueue } from "./reseed.ts";
import { salvage } from "./salvage.ts";
import { openTables, type Tables } from "./tables.ts";

export interface JournalFileOptions {
  readonly place: Place;
  readonly env: Env;
  readonly queue: SeedingQueue;
  readonly log: Logger;
  readonly onNewId?: (journalId: string) => void;
  readonly onFailed?: (fault: Fault) => void;
}

export interface JournalFile {
  tables(): Tables;
  journalId(): string;
  /** Makes a new id and unites with the queue, inside a transaction; once that is durable, `adopt` must follow. */
  renew(): Identity;
  /** As `renew`, where the journal and the queue turn out to be apart; undefined where they agree. In a transaction. */
  meet(): Identity | undefined;
  /** Answers under the new id from here on, and tells the owner. */
  adopt(renewed: Identity): void;
  /** True where what failed was repaired. Throws a Fault where the journal cannot go on. */
  repair(error: unknown): boolean;
  /** Reads outside a transaction, once more after a repair. */
  reading<T>(read: () => T): T;
  close(): void;
}

/** A second failure of the device within this time is not an accident. */
const ioFailureWindowMs = 60_000;

export function openJournalFile(options: JournalFileOptions): JournalFile {
  const { place, env, queue, log } = options;
  let tables: Tables;
  let identity: Identity;
  let ioFailedMs = Number.NEGATIVE_INFINITY;
  let failed: Fault | undefined;
  let closed = false;

  /** The journal went back, or may have: why is for the operator. */
  function whyGoneBack(file: Identity | null, copy: Identity | null): string | undefined {
    if (file === null) return "it is new";
    if (identitiesDisagree(file, copy)) return "the file and journal.id do not belong together";
    // An agent that was told more shows a later version; all others can be answered (PROTOCOL.md §8).
    if (queue.reach?.() === "nothing") return undefined;
    const { journalBehind, queueBehind, forgotten } = compare(tables, queue);
    if (journalBehind) return "the queue has what the journal does not know";
    if (queueBehind) return "the queue lost what it had";
    for (const id of forgotten) removeLane(tables, tables.lanes.byId(id) as LaneRow);
    for (const floor of queue.floors()) tables.stores.raiseFloor(floor);
    return undefined;
  }

  /** Decides who the journal is; commits before the first answer. */
  function establish(): void {
    const file = readIdentity(tables.db);
    const copy = place.copy.read();
    tables.begin();
    try {
      let why: string | undefined;
      try {
        why = whyGoneBack(file, copy);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        why = error.what;
      }
      const generation = Math.max(file?.generation ?? 0, copy?.generation ?? 0) + 1;
      if (why === undefined) {
        identity = { journalId: (file as Identity).journalId, generation };
      } else {
        identity = { journalId: newIdentity(env).journalId, generation };
        reseed(tables, queue);
        const { journalId } = identity;
        if (file === null && copy === null) log.info({ journalId }, "a new journal begins");
        else log.warn({ why, journalId }, "the journal takes a new id: agents will ask again");
      }
      saveIdentity(tables.db, identity);
      crashPoint("journal id before commit");
      tables.commit();
      crashPoint("journal id committed");
    } catch (error) {
      tables.rollback();
      throw error;
    }
    copyIdentity();
  }

  /** Without room for the copy the journal goes on: the next open finds the two apart and takes a new id. */
  function copyIdentity(): void {
    try {
      place.copy.write(identity);
    } catch (error) {
      log.error({ err: error }, "the journal's identity could not be copied");
    }
  }

  /** @param aside a file that was set aside, of which to take over what can still be read */
  function openOnce(aside?: string): void {
    const db = place.open();
    try {
      tables = openTables(db);
      const salvaged = aside === undefined ? undefined : salvage(aside, tables);
      crashPoint("journal salvaged");
      establishWithRoom();
      if (salvaged !== undefined) {
        const { blocks, stoppedBy } = salvaged;
        log.warn({ kept: place.keepAside(), blocks, err: stoppedBy }, "blocks of the damaged journal were taken over");
      }
    } catch (error) {
      // An open handle would delete the WAL of the file that takes the place of this one.
      place.shut(db);
      throw error;
    }
  }

  function establishWithRoom(): void {
    try {
      establish();
    } catch (error) {
      if (!isFull(error)) throw error;
      place.freeRoom();
      establish();
    }
  }

  function open(): void {
    const unfinished = place.unfinished();
    try {
      openOnce(unfinished);
    } catch (error) {
      const isDamaged = isCorrupt(error) || (error instanceof Fault && error.code === "damaged");
      // A salvage that fails again would put the beginnings of the new file in the place of the old one.
      if (!isDamaged || unfinished !== undefined) throw error;
      beginAnew(error);
    }
  }

  function beginAnew(error: unknown): void {
    const aside = place.setAside();
    log.error({ err: error, aside }, "the journal cannot be read: it is set aside, and a new one begins");
    openOnce(aside);
  }

  function fail(error: unknown): never {
    failed = new Fault("unavailable", {
      what: "the journal's disk fails",
      why: "a write could not be made durable, twice",
      remedy: "look at the disk and the kernel's log; the agents keep what was not reported as journaled",
      cause: error,
    });
    options.onFailed?.(failed);
    throw failed;
  }

  function reopen(how: () => void): void {
    const before = identity.journalId;
    try {
      place.shut(tables.db);
      how();
    } catch (error) {
      fail(error);
    }
    if (identity.journalId !== before) options.onNewId?.(identity.journalId);
  }

  function renew(): Identity {
    const renewed = { journalId: newIdentity(env).journalId, generation: identity.generation + 1 };
    reseed(tables, queue);
    saveIdentity(tables.db, renewed);
    return renewed;
  }

  function meet(): Identity | undefined {
    const why = whyGoneBack(identity, identity);
    if (why === undefined) return undefined;
    log.warn({ why }, "the journal takes a new id: agents will ask again");
    return renew();
  }

  function adopt(renewed: Identity): void {
    identity = renewed;
    copyIdentity();
    options.onNewId?.(identity.journalId);
  }

  /** One renewal in a transaction of its own. */
  function renewNow(): void {
    tables.begin();
    try {
      const renewed = renew();
      tables.commit();
      adopt(renewed);
    } catch (error) {
      tables.rollback();
      throw error;
    }
  }

  function repair(error: unknown): boolean {
    if (failed !== undefined) throw failed;
    if (isIoError(error)) {
      log.error({ err: error }, "the journal's disk failed: opening the file again");
      if (env.monoMs() - ioFailedMs < ioFailureWindowMs) fail(error);
      ioFailedMs = env.monoMs();
      reopen(open);
      return true;
    }
    if (isCorrupt(error)) {
      reopen(() => beginAnew(error));
      return true;
    }
    if (!(error instanceof Fault) || error.code !== "damaged") return false;
    log.error({ err: error }, "a row of the journal is damaged: uniting with the queue");
    renewNow();
    return true;
  }

  try {
    open();
  } catch (error) {
    place.release();
    throw error instanceof Fault ? error : unopened(error);
  }
  return {
    tables: () => {
      if (failed !== undefined) throw failed;
      return tables;
    },
    journalId: () => identity.journalId,
    renew,
    meet,
    adopt,
    repair,
    reading(read) {
      try {
        return read();
      } catch (error) {
        if (!repair(error)) throw error;
        return read();
      }
    },
    close() {
      if (closed) return;
      closed = true;
      if (failed === undefined) {
        identity = { ...identity, generation: identity.generation + 1 };
        saveIdentity(tables.db, identity);
        copyIdentity();
      }
      place.shut(tables.db);
      place.release();
    },
  };
}

function unopened(cause: unknown): Fault {
  return new Fault("unavailable", {
    what: "the journal cannot be opened",
    why: messageOf(cause),
    remedy: "see that the state folder can be written and that its disk is sound, then start again",
    cause,
  });
}
