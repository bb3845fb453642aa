/**
 * What happens between a gateway and a replicated journal: requests run in any order, their answers get lost, a write
 * that timed out lands much later or never, and an outdated leader answers a read with what was once so.
 */
import {
  type ArchiveEntry,
  type JournalArchive,
  type JournalStream,
  type StoredMessage,
  StreamTrouble,
  type Written,
} from "../../gateway/journal/jetstream/stream.ts";

export interface Weather {
  readonly stream: JournalStream;
  readonly archive: JournalArchive;
  /** Runs one of the requests that wait; false where none does. */
  step(): Promise<boolean>;
  /** Lets one of the writes land that timed out. */
  late(): Promise<void>;
  /** From here on every request runs and is answered; what is still in flight never lands. */
  calm(): void;
  /** What happened so far, by kind. */
  readonly seen: ReadonlyMap<string, number>;
}

const lostAnswer = 0.06;
const landsLater = 0.08;
const outdated = 0.12;
const stalling = 0.6;

/** @param random from 0 to 1, the same in each run of a seed */
export function openWeather(
  ground: { readonly stream: JournalStream; readonly archive: JournalArchive },
  random: () => number,
): Weather {
  const waiting: (() => Promise<void>)[] = [];
  let inFlight: (() => Promise<unknown>)[] = [];
  let isCalm = false;
  const seen = new Map<string, number>();
  const newestOnce = new Map<string, (StoredMessage | null)[]>();
  const valueOnce = new Map<string, (ArchiveEntry | null)[]>();

  const saw = (kind: string): void => void seen.set(kind, (seen.get(kind) ?? 0) + 1);
  const away = (): never => {
    throw new StreamTrouble("away", "no answer came");
  };
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;

  /** Waits for its turn, and then runs well, runs without an answer, or runs later. */
  function request<T>(act: () => Promise<T>, unanswered: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      waiting.push(async () => {
        try {
          const luck = isCalm ? 1 : random();
          if (luck < lostAnswer) {
            saw("answer lost");
            await act();
            resolve(unanswered());
          } else if (luck < lostAnswer + landsLater) {
            saw("in flight");
            inFlight.push(act);
            resolve(unanswered());
          } else resolve(await act());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  /** A read, which an outdated leader may answer with something that was so once. */
  function ask<T>(act: () => Promise<T>, past: readonly T[]): Promise<T> {
    return request<T>(async () => {
      if (isCalm || random() >= outdated) return await act();
      saw("outdated answer");
      return pick(past);
    }, away);
  }

  function pastOf<T>(map: Map<string, (T | null)[]>, key: string): (T | null)[] {
    const known = map.get(key) ?? [null];
    map.set(key, known);
    return known;
  }

  const unsure = (): Written => ({ outcome: "unsure" });
  const { stream, archive } = ground;

  return {
    seen,
    stream: {
      publish: (subject, expected, bytes) =>
        request(async () => {
          const written = await stream.publish(subject, expected, bytes);
          if (written.outcome === "stored") pastOf(newestOnce, subject).push({ subject, seq: written.seq, bytes });
          return written;
        }, unsure),
      newest: (subject) => ask(() => stream.newest(subject), pastOf(newestOnce, subject)),
      purge: (subject, below) => request(() => stream.purge(subject, below), away),
      live: (prefix) => request(() => stream.live(prefix), away),
      read: (prefix, from, limits) => request(() => stream.read(prefix, from, { ...limits, waitMs: 0 }), away),
      usage: () => stream.usage(),
    },
    archive: {
      get: (key) => ask(() => archive.get(key), pastOf(valueOnce, key)),
      put: (key, expected, bytes) =>
        request(async () => {
          const written = await archive.put(key, expected, bytes);
          if (written.outcome === "stored") pastOf(valueOnce, key).push({ revision: written.seq, bytes });
          return written;
        }, unsure),
      remove: (key, expected) => request(() => archive.remove(key, expected), unsure),
      keys: (prefix) => request(() => archive.keys(prefix), away),
    },
    async step() {
      // Whoever was answered or called just now asks for what it needs next.
      await new Promise<void>((resolve) => void setImmediate(resolve));
      // Often the youngest request is picked: others then stand still for long, as on a server that hangs.
      const at = random() < stalling ? waiting.length - 1 : Math.floor(random() * waiting.length);
      const [next] = at < 0 ? [] : waiting.splice(at, 1);
      if (next === undefined) return false;
      await next();
      return true;
    },
    async late() {
      const [act] = inFlight.splice(Math.floor(random() * inFlight.length), 1);
      if (act === undefined) return;
      saw("landed late");
      await act().catch(() => undefined);
    },
    calm() {
      isCalm = true;
      inFlight = [];
    },
  };
}
