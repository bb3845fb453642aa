/**
 * Which lanes have been asked for in this session. Every unsettled lane is asked for after WELCOME and hourly, in pages,
 * one page at a time; a lane is sent only once it has been answered.
 */
import { askEntriesMax, goneRangesMax } from "../../shared/limits.ts";
import type { AskEntry } from "../../shared/protocol/messages.ts";
import type { Lane } from "../store/lanes.ts";
import type { Store } from "../store/store.ts";
import { laneKey } from "./flights.ts";

export const askAgainMs = 3_600_000;

interface Asked {
  askedMs: number;
  /** An answer is awaited. */
  isOut: boolean;
  /** An answer came in this session. */
  isReady: boolean;
}

export interface Asks {
  /** A session begins with these lanes. */
  begin(lanes: readonly Lane[]): void;
  /** The lanes of the next page; empty while a page is out or nothing is to be asked. */
  nextPage(lanes: readonly Lane[], isOpen: (lane: Lane) => boolean, nowMs: number): Lane[];
  answered(lane: Lane): void;
  isReady(lane: Lane): boolean;
  /** When the oldest unanswered ask was sent; null where none is out. */
  oldestMs(): number | null;
}

export function createAsks(): Asks {
  const asked = new Map<string, Asked>();
  let known = new Set<string>();
  return {
    begin(lanes) {
      asked.clear();
      known = new Set(lanes.map(laneKey));
    },
    nextPage(lanes, isOpen, nowMs) {
      const present = new Set(lanes.map(laneKey));
      for (const key of asked.keys()) if (!present.has(key)) asked.delete(key);
      for (const lane of lanes) {
        const key = laneKey(lane);
        // A lane that was opened in this session has no history that a journal could know.
        if (isOpen(lane) && !known.has(key) && !asked.has(key)) {
          asked.set(key, { askedMs: nowMs, isOut: false, isReady: true });
        }
      }
      if ([...asked.values()].some((one) => one.isOut)) return [];
      const page = lanes
        .filter((lane) => nowMs - (asked.get(laneKey(lane))?.askedMs ?? Number.NEGATIVE_INFINITY) >= askAgainMs)
        .slice(0, askEntriesMax);
      for (const lane of page) {
        const isReady = asked.get(laneKey(lane))?.isReady ?? false;
        asked.set(laneKey(lane), { askedMs: nowMs, isOut: true, isReady });
      }
      return page;
    },
    answered(lane) {
      const one = asked.get(laneKey(lane));
      if (one !== undefined) {
        one.isOut = false;
        one.isReady = true;
      }
    },
    isReady: (lane) => asked.get(laneKey(lane))?.isReady ?? false,
    oldestMs() {
      const out = [...asked.values()].filter((one) => one.isOut).map((one) => one.askedMs);
      return out.length === 0 ? null : Math.min(...out);
    },
  };
}

/** The entry for a lane; a version seen under another journal id means nothing to this one. */
export function askEntry(store: Store, lane: Lane, journalId: string): AskEntry {
  const record = store.record(lane);
  return {
    stream: lane.name,
    epoch: lane.epoch,
    storeId: record.storeId,
    run: record.run,
    version: lane.journalId === journalId ? lane.version : 0,
    newest: lane.last,
    gone: lane.gone.slice(0, goneRangesMax),
  };
}
