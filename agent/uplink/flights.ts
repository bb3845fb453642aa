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
  /** Removes what a position answers; returns when the oldest answered one was sent, null where it answers none. */
  answer(lane: Lane, journaled: Ranges): number | null;
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
  const resting = new Map<string, number>();
  const inside = (flight: Flight, lane: string, seq: number): boolean =>
    flight.lane === lane && flight.first <= seq && seq <= flight.last;
  return {
    size: () => flights.length,
    add: (flight) => void flights.push(flight),
    answer(lane, journaled) {
      const key = laneKey(lane);
      const done = flights.filter((flight) => flight.lane === key && covers(journaled, flight.first, flight.last));
      if (done.length === 0) return null;
      flights = flights.filter((flight) => !done.includes(flight));
      return Math.min(...done.map((flight) => flight.sentMs));
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
      resting.set(`${lane}/${first}`, nowMs + restMs);
    },
    rests(row, nowMs) {
      const until = resting.get(`${laneKey(row)}/${row.first}`);
      return until !== undefined && nowMs < until;
    },
    resting: () => resting.size,
    clear() {
      flights = [];
    },
  };
}
