/** Replays dead letters: what today's codecs read, and today's topics take, ends in the queue as readings after all. */
import { crcHolds } from "../shared/block/block.ts";
import { Fault, type FaultCode, messageOf } from "../shared/errors.ts";
import { sizeOf } from "../shared/ranges.ts";
import { bodyOf } from "./forwarder/outcome.ts";
import { type DeadLetters, type LetterPlace, spanOfId } from "./queue/dead-letters.ts";
import type { Queue } from "./queue/queue.ts";

/** A dead letter, and where it was met. */
export interface Wish {
  readonly id: string;
  readonly place: LetterPlace;
}

/** What became of a wish. */
export interface Answer {
  readonly id: string;
  /** Seqs that are now in the queue as what they are. */
  readonly seqs: number;
  /** Why it stays a dead letter; null where it was replayed. */
  readonly fault: { readonly code: FaultCode; readonly what: string; readonly remedy: string | null } | null;
}

export interface Replayer {
  /**
   * Replays one after the other, and resolves once nothing can take that back. A dead letter that cannot be replayed
   * holds up no other. @throws Fault `usage` where the queue replays none
   */
  replay(wishes: readonly Wish[]): Promise<Answer[]>;
  /** Dead letters that were replayed since the start. */
  replayed(): number;
}

/** Its name at the socket of the running gateway. */
export const replayTask = "/replay";

/** Dead letters of one request. */
export const wishesMax = 100;

/** @param decode reads a block: as the forwarder does, but for tests */
export function openReplayer(queue: Pick<Queue, "deadLetters">, decode = bodyOf): Replayer {
  let replayed = 0;

  async function write(letters: DeadLetters, { id, place }: Wish): Promise<void> {
    const letter = await letters.find(id, place);
    const { block, clock } = letter;
    if (!crcHolds(block)) throw new Fault("damaged", { what: "its block is damaged", why: "its CRC does not hold" });
    const body = decode({ block, clock });
    if (body.kind === "dead-letter") throw new Fault("bad-input", { what: "it cannot be read", why: body.reason });
    await letters.replay(letter, body);
  }

  async function answer(id: string, work: () => Promise<void>): Promise<Answer> {
    try {
      await work();
      const span = spanOfId(id);
      return { id, seqs: span === undefined ? 0 : sizeOf([span]), fault: null };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return { id, seqs: 0, fault: { code: error.code, what: messageOf(error), remedy: error.remedy ?? null } };
    }
  }

  return {
    replayed: () => replayed,
    async replay(wishes) {
      const { deadLetters } = queue;
      if (deadLetters === undefined) throw noReplays();
      const written: Answer[] = [];
      for (const wish of wishes) written.push(await answer(wish.id, () => write(deadLetters, wish)));
      const released = written.map(async (one) => {
        if (one.fault !== null) return one;
        const done = await answer(one.id, () => deadLetters.released(one.id));
        if (done.fault === null) replayed++;
        return done;
      });
      return Promise.all(released);
    },
  };
}

/** What a queue says that replays none. */
export function noReplays(): Fault {
  return new Fault("usage", {
    what: "the file queue replays no dead letters",
    why: "each seq stands in one of its lines, for ever",
    remedy: "`holdfast-gateway dead-letters show` gives all that is needed to read the block",
  });
}

/** Wishes from outside. @throws Fault `usage` */
export function readWishes(value: unknown): Wish[] {
  const wishes = Array.isArray(value) && value.length <= wishesMax ? (value as unknown[]).map(readWish) : [];
  if (wishes.length > 0) return wishes;
  throw new Fault("usage", { what: `1 to ${wishesMax} dead letters are replayed at once` });
}

function readWish(value: unknown): Wish {
  const { id, place } = (value ?? {}) as Partial<Record<keyof Wish, unknown>>;
  const [part, offset, ...more] = Array.isArray(place) ? (place as unknown[]) : [];
  const isPlaced = more.length === 0 && isCount(part) && isCount(offset);
  if (typeof id === "string" && spanOfId(id) !== undefined && isPlaced) return { id, place: [part, offset] };
  throw new Fault("usage", {
    what: "that is no dead letter",
    remedy: "name it as `holdfast-gateway dead-letters list` does",
  });
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
