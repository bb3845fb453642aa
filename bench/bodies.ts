/** Bodies as producers send them: 50 series, values that vary, no two bodies alike. */

export type BodyFormat = "ndjson" | "lines";

export const contentTypes = { ndjson: "application/x-ndjson", lines: "text/plain" } as const;

const seriesCount = 50;
const startUs = 1_780_000_000_000_000;

/**
 * The body with a number.
 * @param random a number in [0, 1) for each call; seed it to get the same bodies again
 */
export function makeBody(format: BodyFormat, readings: number, number: number, random: () => number): Buffer {
  const rows: string[] = [];
  for (let row = 0; row < readings; row += 1) {
    const index = number * readings + row;
    const series = index % seriesCount;
    const timeUs = startUs + Math.floor(index / seriesCount) * 100_000;
    const value = (20 + series + 5 * Math.sin(index / 5_000) + random()).toFixed(3);
    rows.push(
      format === "ndjson"
        ? `{"name":"plant.temperature.${series}","timeUs":${timeUs},"value":${value}}`
        : `plant,sensor=${series} temperature=${value} ${timeUs}000`,
    );
  }
  return Buffer.from(`${rows.join("\n")}\n`);
}

/** A small seeded generator (mulberry32), so that every run sends the same bytes. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
