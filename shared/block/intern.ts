/** Gives equal series one index: series are equal where name, unit, labels (in any order) and `stamped` are. */
import { Fault } from "../errors.ts";
import type { Series } from "./columns.ts";

/** What identifies a series; a reading and a `Series` both do. */
export interface SeriesKey {
  readonly name: string;
  readonly unit?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly stamped?: boolean;
}

export interface Interner {
  /** The series found so far, in order of first appearance. */
  readonly series: readonly Series[];
  /**
   * The index of a series, which is added where it is new.
   * @throws Fault `too-large` where a row's 16-bit index cannot name it
   */
  indexOf(key: SeriesKey): number;
}

/** What a row's index into the series can name. */
const seriesMax = 65_536;

/** An interner without series. */
export function createInterner(): Interner {
  const series: Series[] = [];
  // Producers write their series in the same order again and again: the series that followed this one last time is
  // nearly always the right guess, and confirming a guess is several times cheaper than looking a series up.
  const successor: number[] = [];
  let last = -1;
  // The next best guess is the series that last had the name: for names that tell the series apart by themselves.
  const byName = new Map<string, number>();
  const byPlainKey = new Map<string, number>();
  const byExactKey = new Map<string, number>();

  function add(key: SeriesKey): number {
    if (series.length === seriesMax) {
      throw new Fault("too-large", { what: `more than ${seriesMax} series at once`, remedy: "send fewer at a time" });
    }
    const { name, unit, labels, stamped } = key;
    series.push({ name, unit, labels: sorted(labels), stamped: stamped === true });
    successor.push(-1);
    return series.length - 1;
  }

  function lookUp(key: SeriesKey): number {
    const named = byName.get(key.name);
    if (named !== undefined && isSame(series[named] as Series, key)) return named;
    const written = plainKey(key);
    let found = byPlainKey.get(written);
    if (found === undefined && !isSorted(key.labels)) {
      const canonical = plainKey({ ...key, labels: sorted(key.labels) });
      found = byPlainKey.get(canonical) ?? add(key);
      byPlainKey.set(canonical, found);
    }
    if (found === undefined) found = add(key);
    else if (!isSame(series[found] as Series, key)) return lookUpExactly(key);
    byPlainKey.set(written, found);
    byName.set(key.name, found);
    return found;
  }

  /** For the series that share a plain key with another, which separators inside names can make them do. */
  function lookUpExactly(key: SeriesKey): number {
    const labels = Object.entries(sorted(key.labels) ?? {});
    const exact = JSON.stringify([key.name, key.unit, key.stamped === true, labels]);
    const found = byExactKey.get(exact) ?? add(key);
    byExactKey.set(exact, found);
    return found;
  }

  return {
    series,
    indexOf(key) {
      const guess = last < 0 ? -1 : (successor[last] as number);
      let index = guess;
      if (guess < 0 || !isSame(series[guess] as Series, key)) {
        index = lookUp(key);
        if (last >= 0) successor[last] = index;
      }
      last = index;
      return index;
    },
  };
}

function isSame(series: Series, key: SeriesKey): boolean {
  return (
    series.name === key.name &&
    series.unit === key.unit &&
    series.stamped === (key.stamped === true) &&
    (series.labels === key.labels || hasSameLabels(series.labels, key.labels))
  );
}

function hasSameLabels(own: SeriesKey["labels"], other: SeriesKey["labels"]): boolean {
  if (own === undefined || other === undefined) return isEmpty(own) && isEmpty(other);
  let surplus = 0;
  for (const key in other) {
    if (own[key] !== other[key]) return false;
    surplus++;
  }
  for (const _ in own) surplus--;
  return surplus === 0;
}

function isEmpty(labels: SeriesKey["labels"]): boolean {
  for (const _ in labels) return false;
  return true;
}

/** Cheap and nearly always unique; whoever finds an entry by it compares the series itself. */
function plainKey({ name, unit, labels, stamped }: SeriesKey): string {
  let key = stamped ? `${name}\u0001` : name;
  if (unit !== undefined) key += `\u0002${unit}`;
  for (const label in labels) key += `\u0003${label}\u0004${labels[label]}`;
  return key;
}

function isSorted(labels: SeriesKey["labels"]): boolean {
  let previous = "";
  for (const key in labels) {
    if (key < previous) return false;
    previous = key;
  }
  return true;
}

/** A copy with the keys in order of their UTF-16 units, so that equal series become equal bytes; none where empty. */
function sorted(labels: SeriesKey["labels"]): Series["labels"] {
  if (isEmpty(labels)) return undefined;
  // fromEntries defines properties, so that a label called __proto__ stays a label.
  return Object.fromEntries(Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)));
}
