/**
 * Clock segments: stretches of time in which the wall clock did not step. A device without a battery-backed clock boots
 * in the past; stored times are never rewritten, instead the offset of their segment becomes known later and travels
 * beside the blocks. Pure but for the table at the end.
 */
import type { Env } from "../../shared/env.ts";
import type { Clock, ClockQuality } from "../../shared/protocol/messages.ts";
import type { Db } from "../../shared/sqlite.ts";

/** Wall and monotonic clock may drift apart this much before it counts as a step: NTP slews below 500 ppm. */
const stepUsMin = 1_000_000;
/** A difference to the gateway below this is transit and drift, not a wrong clock. */
const offsetUsMin = 2_000_000;

/** The two clocks of a machine, read together. */
export interface Clocks {
  readonly boot: string;
  readonly monoMs: number;
  readonly wallUs: number;
}

/** The clocks as they were when it began, and what is known of the wall clock since. */
export interface Segment extends Clocks {
  readonly id: number;
  readonly offsetUs: number;
  readonly quality: ClockQuality;
}

/** How far two clocks may drift apart in a time: 500 ppm of it, in µs. */
const driftUs = (elapsedMs: number): number => Math.abs(elapsedMs) * 0.5;

/** How far the wall clock stepped between two looks, µs, 0 for mere drift; null where a boot lies between. */
export function stepOf(before: Clocks, now: Clocks): number | null {
  if (before.boot !== now.boot) return null;
  const elapsedMs = now.monoMs - before.monoMs;
  const step = now.wallUs - before.wallUs - Math.round(elapsedMs * 1000);
  return Math.abs(step) > stepUsMin + driftUs(elapsedMs) ? step : 0;
}

/**
 * What a gateway's time says about the wall clock.
 * @param ageMs how long ago it was heard; the clocks may have drifted apart since
 */
export function qualityFrom(
  gatewayUs: number,
  wallUs: number,
  ageMs: number,
): { offsetUs: number; quality: ClockQuality } {
  const offsetUs = gatewayUs - wallUs;
  if (Math.abs(offsetUs) < offsetUsMin + driftUs(ageMs)) return { offsetUs: 0, quality: "synced" };
  return { offsetUs, quality: "corrected" };
}

export interface Segments {
  /** The id of the present segment; begins a new one where the clock stepped. Runs inside the caller's transaction. */
  current(): number;
  /**
   * Takes the gateway's time for the present segment, for later ones of this process, and for the one before where a
   * step is all that lies between. Runs inside the caller's transaction.
   */
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
  const now = (): Clocks => ({ boot: env.bootId, monoMs: env.monoMs(), wallUs: env.wallUs() });
  let present: Segment | undefined;
  /** When the present segment was last looked at: steps are measured from there, since drift adds up over months. */
  let seen: Clocks | undefined;
  /** The last gateway's time, and when it came: it vouches for segments that begin later, too. */
  let heard: { gatewayUs: number; monoMs: number } | undefined;

  const goesOn = (segment: Segment, at: Clocks): boolean => stepOf(seen ?? segment, at) === 0;

  /** Sets what the gateway's time says about the present segment. */
  function judge(segment: Segment, at: Clocks): void {
    if (heard === undefined) return;
    const ageMs = at.monoMs - heard.monoMs;
    const learned = qualityFrom(heard.gatewayUs + Math.round(ageMs * 1000), at.wallUs, ageMs);
    const change = Math.abs(learned.offsetUs - segment.offsetUs);
    // Every WELCOME finds another transit time: what says the same again is not worth a commit.
    if (learned.quality === segment.quality && change < offsetUsMin) return;
    set(segment.id, learned.offsetUs, learned.quality);
    const raw = select.get(segment.id - 1) as RawSegment | undefined;
    if (raw === undefined || raw.quality !== "unsynced" || raw.boot !== segment.boot) return;
    const before = fromRaw(raw);
    set(before.id, learned.offsetUs + (stepOf(before, segment) ?? 0), "corrected");
  }

  return {
    current() {
      const at = now();
      const previous = (present ??= latest());
      if (previous === undefined || !goesOn(previous, at)) {
        insert.run(at.boot, at.monoMs, at.wallUs);
        judge(latest() as Segment, at);
        present = latest() as Segment;
      }
      seen = at;
      return present?.id as number;
    },
    learn(gatewayUs) {
      const at = now();
      // A device that has appended nothing since its boot has no segment to judge yet.
      heard = { gatewayUs, monoMs: at.monoMs };
      const segment = latest();
      if (segment === undefined || !goesOn(segment, at)) return;
      judge(segment, at);
      present = undefined;
    },
    reset() {
      present = undefined;
      seen = undefined;
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
