/**
 * `declare-lost`: the operator's word that seqs will never arrive. Without it a gap stays open, because an old card may
 * come back (PROTOCOL §8). How it reaches a running gateway stands in control.ts.
 */
import { Fault } from "../shared/errors.ts";
import { seqMax } from "../shared/limits.ts";
import type { Span } from "../shared/ranges.ts";
import type { Journal, Report } from "./journal/journal.ts";
import type { Lane } from "./queue/queue.ts";

/** Its name at the socket of the running gateway. */
export const declareTask = "/declare-lost";

/** Which open seqs to declare: everything reported of an agent, narrowed by what is given. */
export interface Declaration {
  readonly agent: string;
  readonly stream?: string;
  readonly epoch?: string;
  /** With stream and epoch: these seqs, reported or not. */
  readonly span?: Span;
}

export interface Declared {
  readonly lane: Lane;
  readonly reason: Report["kind"];
  readonly seqs: number;
}

/**
 * A declaration from outside: of a command line, or of whoever writes to the socket.
 * @throws Fault `usage`
 */
export function readDeclaration(value: unknown): Declaration {
  const { agent, stream, epoch, span } = (value ?? {}) as Partial<Record<keyof Declaration, unknown>>;
  if (!isText(agent)) throw misuse("no agent is named", "name it with --agent");
  if (!(stream === undefined || isText(stream))) throw misuse("the stream is no name", "name it with --stream");
  if (!(epoch === undefined || isText(epoch))) throw misuse("the epoch is no id", "name it with --epoch");
  const narrowed = { agent, ...(stream === undefined ? {} : { stream }), ...(epoch === undefined ? {} : { epoch }) };
  if (span === undefined) return narrowed;
  const { first, last } = (span ?? {}) as Partial<Record<keyof Span, unknown>>;
  if (!isSeq(first) || !isSeq(last) || last < first) {
    throw misuse("--first and --last are no run of seqs", "give both, whole numbers from 1 on, the lower one first");
  }
  if (stream === undefined || epoch === undefined) {
    throw misuse("seqs alone do not say what is lost", "name --stream and --epoch with them, as `status` shows them");
  }
  return { ...narrowed, span: { first, last } };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length > 0;
}

function isSeq(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 1 && value <= seqMax;
}

function misuse(what: string, remedy: string): Fault {
  return new Fault("usage", { what, remedy });
}

/** Carries a declaration out. Fills only what is still open. */
export async function declareLost(journal: Journal, declaration: Declaration): Promise<Declared[]> {
  const { agent, stream, epoch, span } = declaration;
  if (span !== undefined && stream !== undefined && epoch !== undefined) {
    const lane = { agent, stream, epoch };
    return [{ lane, reason: "journal-lost", seqs: await journal.declareLost(lane, [span], "journal-lost") }];
  }
  const declared: Declared[] = [];
  for (const { lane, kind, spans } of journal.reports()) {
    const fits =
      lane.agent === agent && (stream ?? lane.stream) === lane.stream && (epoch ?? lane.epoch) === lane.epoch;
    // Two reports may name the same seqs; what the first one filled the second finds filled.
    const seqs = fits ? await journal.declareLost(lane, spans, kind) : 0;
    if (seqs > 0) declared.push({ lane, reason: kind, seqs });
  }
  return declared;
}
