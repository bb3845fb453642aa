/**
 * The seqs of every (agent, stream, epoch): each in exactly one outcome, and none left out between the first and the
 * highest that is there. This also checks readings that nobody outside has seen.
 */
import type { QueueLine } from "./audit-line.ts";

interface Span {
  first: number;
  last: number;
}

export interface SeqProblem {
  readonly kind: "seq doubled" | "seq missing";
  readonly text: string;
}

export interface Seqs {
  take(line: Pick<QueueLine, "agent" | "stream" | "epoch" | "first" | "last">): void;
  problems(): SeqProblem[];
  epochs(): number;
}

export function openSeqs(): Seqs {
  const lanes = new Map<string, Span[]>();
  return {
    take({ agent, stream, epoch, first, last }) {
      const lane = `${agent}/${stream}/${epoch}`;
      const spans = lanes.get(lane);
      const newest = spans?.at(-1);
      // Lines mostly come in order, so a lane is a handful of spans however long it is.
      if (spans === undefined) lanes.set(lane, [{ first, last }]);
      else if (newest !== undefined && newest.last + 1 === first) newest.last = last;
      else spans.push({ first, last });
    },
    problems: () => [...lanes].flatMap(([lane, spans]) => problemsOf(lane, spans)),
    epochs: () => new Set([...lanes.keys()].map((lane) => lane.slice(lane.lastIndexOf("/")))).size,
  };
}

function problemsOf(lane: string, spans: readonly Span[]): SeqProblem[] {
  const problems: SeqProblem[] = [];
  let next = 1;
  for (const { first, last } of [...spans].sort((a, b) => a.first - b.first)) {
    if (first > next) problems.push({ kind: "seq missing", text: `${lane} ${seqText(next, first - 1)}` });
    if (first < next)
      problems.push({ kind: "seq doubled", text: `${lane} ${seqText(first, Math.min(last, next - 1))}` });
    next = Math.max(next, last + 1);
  }
  return problems;
}

const seqText = (first: number, last: number): string => (first === last ? `${first}` : `${first} to ${last}`);
