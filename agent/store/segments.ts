/**
 * Clock segments: stretches of time in which the wall clock did not step. A device without a battery-backed clock boots
 * in the past; stored times are never rewritten, instead the offset of their segment becomes known later and travels
 * beside the blocks. Pure but for the table at the end.
 */
import type { Env } from "../../shared/env.ts";
import type { Clock, ClockQuality } from "../../shared/protocol/messages.ts";
import type { Db } from "../../shared/sqlite.ts";

/** Wall and monotonic clock may drift apart this much before it counts as a step: NTP slews below 500 ppm. */
export const stepUsMin = 1_000_000;
/** A difference to the gateway below this is transit and drift, not a wrong clock. */
export const offsetUsMin = 2_000_000;

export interface Segment {
  readonly id: number;
  readonly boot: string;
  /** The two clocks, read together when the segment began. */
  readonly monoMs: number;
  readonly wallUs: number;
  readonly offsetUs: number;
  readonly quality: ClockQuality;
}

/** How far the wall clock stepped since the segment began, µs; null where another boot makes that unknowable. */
export function stepOf(segment: Segment, now: { boot: string; monoMs: number; wallUs: number }): number | null {
  if (segment.boot !== now.boot) return null;
  const step = now.wallUs - segment.wallUs - Math.round((now.monoMs - segment.monoMs) * 1000);
  // A drift that grows slowly over months is not a step: allow 500 ppm of the time that passed.
  const allowance = stepUsMin + Math.abs(now.monoMs - segment.monoMs) * 0.5;
  return Math.abs(step) > allowance ? step : 0;
}

/** What the gateway's time says about the present segment. */
export function qualityFrom(gatewayUs: number, wallUs: number): { offsetUs: number; quality: ClockQuality } {
  const offsetUs = gatewayUs - wallUs;
  if (Math.abs(offsetUs) < offsetUsMin) return { offsetUs: 0, quality: "synced" };
  return { offsetUs, quality: "corrected" };
}

export interface Segments {
  /** The id of the present segment; begins a new one where the clock stepped. Runs inside the caller's transaction. */
  current(): number;
  /** Takes the gateway's time for the present segment, and for the one before it where a step is all that lies between. */
  learn(gatewayUs: number): void;
  /** Forgets what was read from the file: a transaction was rolled back. */
  reset(): void;
  /** What travels beside the blocks of a segment. */
  clock(id: number): Clock;
}

interface RawSegment {
  id: number;
  boot: string;
  mono_ms: number;
  wall_us: number;
  offset_us: number;
  quality: ClockQuality;
}

/** Segments whose clock is kept at hand. */
const cachedMax = 64;

export function openSegments(db: Db, env: Env): Segments {
  const select = db.prepare("SELECT * FROM segment WHERE id=?");
  const newest = db.prepare("SELECT * FROM segment ORDER BY id DESC LIMIT 1");
  const insert = db.prepare(
    "INSERT INTO segment(boot, mono_ms, wall_us, offset_us, quality) VALUES (?,?,?,0,'unsynced')",
  );
  const update = db.prepare("UPDATE segment SET offset_us=?, quality=? WHERE id=?");
  const cache = new Map<number, Clock>();
  const fromRaw = (raw: RawSegment): Segment => ({
    id: raw.id,
    boot: raw.boot,
    monoMs: raw.mono_ms,
    wallUs: raw.wall_us,
    offsetUs: raw.offset_us,
    quality: raw.quality,
  });
  const latest = (): Segment | undefined => {
    const raw = newest.get() as RawSegment | undefined;
    return raw === undefined ? undefined : fromRaw(raw);
  };
  const set = (id: number, offsetUs: number, quality: ClockQuality): void => {
    update.run(offsetUs, quality, id);
    cache.delete(id);
  };
  const now = (): { boot: string; monoMs: number; wallUs: number } => ({
    boot: env.bootId,
    monoMs: env.monoMs(),
    wallUs: env.wallUs(),
  });
  let present: Segment | undefined;

  return {
    current() {
      const at = now();
      const previous = (present ??= latest());
      const step = previous === undefined ? null : stepOf(previous, at);
      if (previous !== undefined && step === 0) return previous.id;
      insert.run(at.boot, at.monoMs, at.wallUs);
      present = latest() as Segment;
      if (previous !== undefined && step !== null && previous.quality !== "unsynced") {
        // The gateway vouched for the old segment, so it vouches for the new one less the step.
        const offsetUs = previous.offsetUs - step;
        set(present.id, Math.abs(offsetUs) < offsetUsMin ? 0 : offsetUs, "corrected");
        present = latest() as Segment;
      }
      return present.id;
    },
    learn(gatewayUs) {
      const at = now();
      const segment = latest();
      if (segment === undefined || stepOf(segment, at) !== 0) return;
      const learned = qualityFrom(gatewayUs, at.wallUs);
      if (learned.offsetUs === segment.offsetUs && learned.quality === segment.quality) return;
      set(segment.id, learned.offsetUs, learned.quality);
      const raw = select.get(segment.id - 1) as RawSegment | undefined;
      if (raw !== undefined && raw.quality === "unsynced" && raw.boot === segment.boot) {
        const before = fromRaw(raw);
        const step = stepOf(before, { boot: segment.boot, monoMs: segment.monoMs, wallUs: segment.wallUs });
        set(before.id, learned.offsetUs + (step ?? 0), "corrected");
      }
      present = undefined;
    },
    reset() {
      present = undefined;
      cache.clear();
    },
    clock(id) {
      let clock = cache.get(id);
      if (clock === undefined) {
        const raw = select.get(id) as RawSegment | undefined;
        clock =
          raw === undefined
            ? { segment: id, offsetUs: 0, quality: "unsynced" }
            : { segment: id, offsetUs: raw.offset_us, quality: raw.quality };
        if (cache.size >= cachedMax) cache.clear();
        cache.set(id, clock);
      }
      return clock;
    },
  };
}
