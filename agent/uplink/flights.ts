/**
 * What is under way: batches in flight, blocks that were refused and rest, and how far each lane has been walked.
 * Everything here lives in memory for one session; losing it only means sending again.
 */
import { lastOf } from "../../shared/block/block.ts";
import { covers, type Ranges, type Span } from "../../shared/ranges.ts";
import type { BlockRow } from "../store/blocks.ts";
import type { Lane } from "../store/lanes.ts";

export interface Flight extends Span {
  readonly lane: string;
  readonly sentMs: number;
}

/** How long a block that a gateway could not take rests: a faulty gateway must not destroy data, nor be hammered. */
export const restMs = 3_600_000;
/** Resting blocks remembered; beyond, the oldest are tried again sooner. */
const restingMax = 1_000;

export function laneKey(lane: { run: number; stream: number }): string {
  return `${lane.run}/${lane.stream}`;
}

export interface Flights {
  readonly size: () => number;
  add(flight: Flight): void;
  /**
   * Removes what a position answers, and the rest of blocks that a gateway has taken after all.
   * @returns when the oldest answered flight was sent; null where it answers none
   */
  answer(lane: Lane, journaled: Ranges): number | null;
  /** The link has taken the latest flight: its time runs from now, since a slow link may have held it for minutes. */
  taken(nowMs: number): void;
  /** True where flights of a lane hold all of a span. */
  cover(lane: string, span: Span): boolean;
  /** Removes the flight that holds a block. */
  drop(lane: string, first: number): void;
  /** Removes all flights of a lane. */
  dropLane(lane: string): void;
  /** Removes and returns the flights sent before `deadlineMs`. */
  expire(deadlineMs: number): Flight[];
  holds(row: BlockRow): boolean;
  /** Lets a block rest from now on. */
  rest(lane: string, first: number, nowMs: number): void;
  rests(row: BlockRow, nowMs: number): boolean;
  resting(): number;
  clear(): void;
}

export function createFlights(): Flights {
  let flights: Flight[] = [];
  /** By lane and first seq: until when each block rests. */
  const resting = new Map<string, { lane: string; first: number; untilMs: number }>();
  const inside = (flight: Flight, lane: string, seq: number): boolean =>
    flight.lane === lane && flight.first <= seq && seq <= flight.last;
  return {
    size: () => flights.length,
    add: (flight) => void flights.push(flight),
    answer(lane, journaled) {
      const key = laneKey(lane);
      for (const [name, { lane: itsLane, first }] of resting) {
        if (itsLane === key && covers(journaled, first, first)) resting.delete(name);
      }
      const done = flights.filter((flight) => flight.lane === key && covers(journaled, flight.first, flight.last));
      if (done.length === 0) return null;
      flights = flights.filter((flight) => !done.includes(flight));
      return Math.min(...done.map((flight) => flight.sentMs));
    },
    taken(nowMs) {
      const latest = flights.pop();
      if (latest !== undefined) flights.push({ ...latest, sentMs: nowMs });
    },
    cover(lane, span) {
      const own = flights.filter((flight) => flight.lane === lane).sort((a, b) => a.first - b.first);
      return covers(own, span.first, span.last);
    },
    drop(lane, first) {
      flights = flights.filter((flight) => !inside(flight, lane, first));
    },
    dropLane(lane) {
      flights = flights.filter((flight) => flight.lane !== lane);
    },
    expire(deadlineMs) {
      const late = flights.filter((flight) => flight.sentMs < deadlineMs);
      flights = flights.filter((flight) => flight.sentMs >= deadlineMs);
      return late;
    },
    holds: (row) => {
      const key = laneKey(row);
      return flights.some((flight) => inside(flight, key, row.first) || inside(flight, key, lastOf(row)));
    },
    rest(lane, first, nowMs) {
      if (resting.size >= restingMax) resting.delete(resting.keys().next().value as string);
      resting.set(`${lane}/${first}`, { lane, first, untilMs: nowMs + restMs });
    },
    rests(row, nowMs) {
      const until = resting.get(`${laneKey(row)}/${row.first}`)?.untilMs;
      return until !== undefined && nowMs < until;
    },
    resting: () => resting.size,
    clear() {
      flights = [];
    },
  };
}
