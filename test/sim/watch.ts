/**
 * Wraps a store so that the oracle learns every name a reading gets: at its first append, and again whenever an epoch
 * is given up. It also crashes the process inside a store's call where a fault asks for it.
 */

import type { Lane } from "../../agent/store/lanes.ts";
import type { Store } from "../../agent/store/store.ts";
import { decodeBlock } from "../../shared/block/decode.ts";
import type { Span } from "../../shared/ranges.ts";
import type { Db } from "../../shared/sqlite.ts";
import type { Ids, Oracle } from "./oracle.ts";
import { partlyCovered, unprovenSpans } from "./shadow.ts";
import type { World } from "./world.ts";

/** Where the next call of the store ends in a crash. */
export type CrashPoint = "before" | "after";

export interface Watched {
  readonly agent: string;
  readonly db: Db;
  /** Told of every reading that this store took. */
  took(id: number): void;
  /** Every reading that the card has taken. */
  taken(): readonly number[];
  /** Readings by lane that a position showed this card to be a fork's: they never become residue. */
  readonly promised: Set<string>;
  /** Asked at each append and position: where the process dies now. */
  crash(): CrashPoint | undefined;
  /** The id of the journal that the gateway has now; undefined while it is down. */
  journalId(): string | undefined;
  /** Ends the process by throwing. */
  die(): never;
}

interface Row {
  readonly first: number;
  readonly count: number;
  readonly codec: number;
  readonly rawBytes: number;
  readonly bytes: Uint8Array;
}

export function watchStore(store: Store, world: World, watched: Watched): Store {
  const { oracle } = world;
  const key = (stream: string, epoch: string): string => `${watched.agent}/${stream}/${epoch}`;
  /** Epochs of this process that were opened because an older one was expired. */
  const expiredInto = new Set<string>();

  /** Runs a call of the store and has the oracle learn of it; where a fault asks for it, the process dies around it. */
  function crashing<T>(call: () => T, learn: () => void): T {
    const point = watched.crash();
    if (point === "before") watched.die();
    const result = call();
    learn();
    if (point === "after") watched.die();
    return result;
  }

  /** The names after an epoch was given up: what moved, and what only its loss can name. */
  function nameAgain(old: readonly Lane[], keep: "verified" | "forwarded"): void {
    const record = store.openRecord();
    if (record === null) return;
    for (const lane of old) {
      const before = oracle.lane(key(lane.name, lane.epoch));
      const successor = store.lane(lane.name, record.epoch);
      const stays = keep === "verified" ? lane.verified : lane.forwarded;
      const rows = successor === undefined ? [] : rowsOf(watched.db, successor);
      const moved = new Set<number>();
      let losses: Row[] = [];
      for (const row of rows) {
        if (row.codec === 0) losses = [...losses, row];
        else
          idsIn(row).forEach((id, i) => {
            oracle.name(key(lane.name, record.epoch), row.first + i, id);
            moved.add(id);
          });
      }
      const stay = [...rowsOf(watched.db, lane), ...stays];
      const lost = [...before].filter(
        ([seq, ids]) => seq <= lane.last && !ids.some((id) => moved.has(id)) && !holds(stay, seq),
      );
      nameLosses(oracle, key(lane.name, record.epoch), losses, lost);
      const named = losses.reduce((sum, row) => sum + row.count, 0);
      if (named < lost.length && !oracle.forkedEpochs.has(lane.epoch)) {
        world.find("AGAIN-COUNT", `${lane.name}/${lane.epoch}: ${lost.length} seqs left, ${named} named again`);
      }
    }
  }

  /** A new epoch lies above the floor: what was expired once is not expired again while nobody else uses the card. */
  function noteExpired(lane: Lane): void {
    const hasCopies = ["fault: card cloned", "fork"].some((what) => (world.counts.get(what) ?? 0) > 0);
    if (expiredInto.has(lane.epoch) && !hasCopies) world.find("EXPIRED-AGAIN", `${watched.agent} ${lane.epoch}`);
    expiredInto.add(store.openRecord()?.epoch ?? "");
  }

  function promise(name: string, spans: readonly Span[]): void {
    if (spans.length === 0) return;
    world.count("block covered in part in its own epoch");
    for (const [seq, ids] of oracle.lane(name)) {
      if (holds(spans, seq)) for (const id of ids) watched.promised.add(`${name}/${id}`);
    }
  }

  function givingUp<T>(lane: Lane, keep: "verified" | "forwarded", call: () => T): T {
    const old = store.lanes().filter((one) => one.run === lane.run);
    return crashing(call, () => {
      const record = store.openRecord();
      if (record === null || !record.givenUp.includes(lane.epoch)) return;
      world.count(keep === "verified" ? "fork verdict" : "epoch expired");
      world.trace(() => `${watched.agent} gives up ${lane.epoch.slice(0, 4)} for ${record.epoch.slice(0, 4)}`);
      nameAgain(old, keep);
      if (keep === "forwarded") noteExpired(lane);
    });
  }

  return {
    ...store,
    append(parts, moves) {
      crashing(
        () => store.append(parts, moves),
        () => {
          const epoch = store.openRecord()?.epoch ?? "";
          for (const { stream, columns } of parts) {
            const last = store.lane(stream, epoch)?.last ?? 0;
            const first = last - columns.count + 1;
            for (let i = 0; i < columns.count; i++) {
              oracle.name(key(stream, epoch), first + i, columns.values[i] as number);
              watched.took(columns.values[i] as number);
            }
            world.trace(() => `${watched.agent} stores ${stream}/${epoch.slice(0, 4)} ${first}..${last}`);
          }
        },
      );
    },
    apply(lane, position) {
      // A session that has heard the new journal must not believe what the dead one said before (PROTOCOL §4).
      const current = watched.journalId();
      if (current !== undefined && lane.journalId === current && position.journalId !== current) {
        world.find("OLD-JOURNAL", `${watched.agent} applies a position of journal ${position.journalId}`);
      }
      if (store.isOpen(lane) && position.journaled.some((range) => range.after === null)) {
        world.count("unknown chain in the open epoch");
      }
      const name = key(lane.name, lane.epoch);
      const isOwn = store.memory().ownRuns.has(lane.run);
      if (oracle.forkedEpochs.has(lane.epoch) && !isOwn) {
        const own = watched.taken().filter((id) => !watched.promised.has(`${name}/${id}`));
        for (const ranges of [position.journaled, position.forwarded]) {
          oracle.leaveResidue(name, unprovenSpans(watched.db, lane, ranges), own);
        }
      }
      const partly = isOwn ? partlyCovered(watched.db, lane, position.journaled) : [];
      return givingUp(lane, "verified", () => {
        const applied = store.apply(lane, position);
        if (applied !== "stale") promise(name, partly);
        return applied;
      });
    },
    fork: (lane) => givingUp(lane, "verified", () => store.fork(lane)),
    expire: (lane, floor) => givingUp(lane, "forwarded", () => store.expire(lane, floor)),
  };
}

function holds(spans: readonly (Span | Row)[], seq: number): boolean {
  return spans.some((span) => span.first <= seq && seq <= ("last" in span ? span.last : span.first + span.count - 1));
}

/** Read from the file: the lane may have been given up, and then the store says nothing of it any more. */
function rowsOf(db: Db, lane: Lane): Row[] {
  return db
    .prepare(
      `SELECT first, count, codec, raw_bytes AS rawBytes, coalesce(block.bytes, body.bytes) AS bytes
       FROM block LEFT JOIN body ON body.id = block.body WHERE run=? AND stream=? ORDER BY first`,
    )
    .all(lane.run, lane.stream) as Row[];
}

function idsIn(row: Row): number[] {
  try {
    return decodeBlock(row.codec, row.rawBytes, row.bytes).values.slice(0, row.count) as number[];
  } catch {
    return [];
  }
}

/** Loss records take as many new seqs as they name, in order; which ones is told by what neither moved nor stayed. */
function nameLosses(
  oracle: Oracle,
  lane: string,
  losses: readonly Row[],
  lost: readonly (readonly [number, Ids])[],
): void {
  const names = [...lost].sort(([a], [b]) => a - b);
  let next = 0;
  for (const row of losses) {
    for (let i = 0; i < row.count; i++, next++) {
      oracle.giveOut(lane, row.first + i);
      for (const id of names[next]?.[1] ?? []) oracle.name(lane, row.first + i, id);
    }
  }
}
