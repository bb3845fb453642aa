/** What producers remember: the testimony of the audit, and how a line of the queue tells which attempt it is. */
import type { Reader, Sent, Testimony } from "./audit.ts";
import type { QueueLine } from "./audit-line.ts";

export interface Remembered extends Testimony {
  /** Notes a reading before it is sent; returns its id. */
  attempt(
    to: { agent: string; stream: string },
    reading: { name: string; value: string | number },
    content: string,
  ): string;
  acknowledge(ids: readonly string[]): void;
}

export function openMemory(): Remembered {
  const attempted = new Map<string, Sent>();
  const acknowledged = new Set<string>();
  return {
    attempted,
    acknowledged,
    attempt({ agent, stream }, { name, value }, content) {
      const id = idOf(name, value);
      if (attempted.has(id)) throw new Error(`${id} was attempted before: each attempt needs an id of its own`);
      attempted.set(id, { agent, stream, content });
      return id;
    },
    acknowledge(ids) {
      for (const id of ids) acknowledged.add(id);
    },
  };
}

function idOf(name: string, value: string | number): string {
  return `${name} ${value}`;
}

/** What a line must say beside its id; a time only where the source gave it. */
export function contentOf(series: Pick<QueueLine, "name"> & Partial<QueueLine>): string {
  const labels = Object.entries(series.labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([series.unit ?? null, labels, series.timeUs ?? null]);
}

/**
 * Reads the lines of producers that put a number or text of their own into every reading.
 * @param unwitnessed streams in which nobody outside knows the readings
 */
export function readerOf(unwitnessed: readonly string[] = [], repeatsAllowed = false): Reader {
  return {
    repeatsAllowed,
    idOf(line) {
      if (unwitnessed.includes(line.stream)) return undefined;
      const isId = typeof line.value === "string" || typeof line.value === "number";
      return isId ? idOf(line.name, line.value as string | number) : `${line.name} (no id)`;
    },
    contentOf({ name, unit, labels, timeUs, sensorTime }) {
      return contentOf({ name, unit, labels, timeUs: sensorTime ? timeUs : undefined });
    },
  };
}
