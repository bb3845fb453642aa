/**
 * A replay: what a dead letter holds, written under its id, once for ever. What of it stands in the topics is kept as
 * that of a lane is, base and scan alike, since a cluster can lose the end of one partition and keep that of another:
 * then the rest alone is written again. Pure.
 */
import { Fault } from "../../../../shared/errors.ts";
import { covers, gaps, union } from "../../../../shared/ranges.ts";
import { type Letter, type LetterState, spanOfId } from "../../dead-letters.ts";
import type { Outcome } from "../../queue.ts";
import type { ReplayRecord } from "../records/position-records.ts";
import type { Site, Step } from "./term.ts";

/** Ids that a shard remembers, in its memory too (I8): 30 MB. */
const replaysMax = 50_000;

/** @param record the newest that is known; undefined where there is none */
export function stateOfReplay(id: string, record: Pick<ReplayRecord, "ranges" | "base"> | undefined): LetterState {
  const { first, last } = spanOfId(id) ?? { first: 0, last: 0 };
  if (record === undefined || !covers(record.ranges, first, last)) return "open";
  return covers(record.base, first, last) ? "replayed" : "settling";
}

/**
 * The transaction that replays a dead letter.
 * @throws Fault `usage` where it was replayed; `too-large`; `full`
 */
export function planReplay(
  { format, env }: Pick<Site, "format" | "env">,
  replays: ReadonlyMap<string, ReplayRecord>,
  { id, lane, span, block }: Letter,
  body: Outcome["body"],
): Step {
  const known = replays.get(id);
  const what = `the dead letter ${id} is not replayed`;
  const { first, last } = span;
  const spans = gaps(known?.ranges ?? [], first, last);
  if (known !== undefined && spans.length === 0) {
    const when = known.atMs === null ? `in transaction ${known.t}` : `at ${new Date(known.atMs).toISOString()}`;
    throw new Fault("usage", { what, why: `it was ${when}`, remedy: "nothing is left to be done" });
  }
  const outcome: Outcome = { lane, spans, block, body };
  const refusal = format.refusal(outcome);
  if (refusal !== undefined) {
    throw new Fault("too-large", { what, why: refusal, remedy: "raise max.message.bytes of the topic, and restart" });
  }
  if (known === undefined && replays.size >= replaysMax) {
    throw new Fault("full", { what, why: `this shard has replayed ${replaysMax}, and remembers no more` });
  }
  const base = known?.base ?? [];
  const added = spans.map((one) => ({ ...one, before: null, after: null }));
  const entry = { id, t: 0, atMs: Math.floor(env.wallUs() / 1_000), ranges: union(known?.ranges ?? [], added), base };
  return { outcomes: [outcome], replay: id, replays: [entry] };
}
