/**
 * The audit: compares what producers were told with what stands in the queue, and believes none of our own counters.
 * acknowledged ⊆ queued ∪ lost ∪ dead-lettered ⊆ attempted, each reading once, each seq once. It knows nothing of how the line works:
 * it sees ids that producers gave, and lines in the format of the queue, whatever engine they come from.
 */
import { type QueueLine, readLine } from "./audit-line.ts";
import { openSeqs } from "./audit-seqs.ts";

/** What the producers can swear to. Every attempt, a retry included, carries an id of its own. */
export interface Testimony {
  /** Every reading that was sent: its id, and what must arrive under it. */
  readonly attempted: ReadonlyMap<string, Sent>;
  /** The ids that were acknowledged: by an answer, or by a cursor that moved with them. */
  readonly acknowledged: ReadonlySet<string>;
}

export interface Sent {
  readonly agent: string;
  readonly stream: string;
  /** What the line must say beside the id, as `contentOf` writes it. */
  readonly content: string;
}

/** How a line tells which attempt it is. */
export interface Reader {
  /** The id of a reading, undefined where nobody outside the line has seen it: then only its seq is checked. */
  idOf(line: QueueLine): string | undefined;
  contentOf(line: QueueLine): string;
  /** True where readings that are marked as repeated may stand in the queue twice: an epoch was given up on purpose. */
  readonly repeatsAllowed?: boolean;
}

export const findingKinds = {
  lost: "acknowledged, but neither in the queue nor named in a loss record",
  doubled: "in the queue more than once",
  invented: "in the queue, but never sent",
  changed: "in the queue, but not as it was sent",
  "seq doubled": "one name for two outcomes",
  "seq missing": "a hole between the seqs of an epoch",
  "loss beyond attempts": "named as lost, but never sent",
  "dead letter": "arrived, but could not be read",
  unreadable: "not a line of the queue",
} as const;

export type FindingKind = keyof typeof findingKinds;

export interface Finding {
  readonly kind: FindingKind;
  readonly text: string;
}

export interface AuditResult {
  readonly attempted: number;
  readonly acknowledged: number;
  /** Different attempts that stand in the queue. */
  readonly queued: number;
  /** Of these: never acknowledged, because the answer did not come back. They may be there, and are not lost. */
  readonly queuedUnacknowledged: number;
  /** Acknowledged ones that loss records and dead letters make up for. */
  readonly lostNamed: number;
  /** Seqs named in loss records. */
  readonly lostSeqs: number;
  /** Readings that nobody outside has seen: only their seqs are checked. */
  readonly unwitnessed: number;
  /** Second lines of readings that are marked as repeated. */
  readonly repeated: number;
  readonly epochs: number;
  /** How many findings of each kind there are; only kinds that occurred. */
  readonly counts: Readonly<Partial<Record<FindingKind, number>>>;
  /** The first of each kind. */
  readonly findings: readonly Finding[];
}

export interface Audit {
  /** Takes the next line of the queue, as text. */
  take(text: string): void;
  end(): AuditResult;
}

const examplesMax = 5;
const agentStream = (agent: string, stream: string): string => `${agent}/${stream}`;

/** Opens an audit; lines are taken one by one, so that the queue need not fit into memory. */
export function openAudit(testimony: Testimony, reader: Reader): Audit {
  const counts: Partial<Record<FindingKind, number>> = {};
  const findings: Finding[] = [];
  const seen = new Map<string, number>();
  const seqs = openSeqs();
  /** Per agent and stream: seqs named as lost, and readings of which nobody outside knows. */
  const lostSeqs = new Map<string, number>();
  const deadSeqs = new Map<string, number>();
  const unwitnessed = new Map<string, number>();
  let repeated = 0;
  let lines = 0;

  function find(kind: FindingKind, text: string): void {
    const count = (counts[kind] ?? 0) + 1;
    counts[kind] = count;
    if (count <= examplesMax) findings.push({ kind, text });
  }

  function takeReading(line: QueueLine): void {
    const id = reader.idOf(line);
    if (id === undefined) {
      increase(unwitnessed, agentStream(line.agent, line.stream), 1);
      return;
    }
    const sent = testimony.attempted.get(id);
    if (sent === undefined) {
      find("invented", `${id} (line ${lines})`);
      return;
    }
    const before = seen.get(id) ?? 0;
    seen.set(id, before + 1);
    if (before > 0) {
      if (reader.repeatsAllowed === true && line.repeated === true) repeated++;
      else find("doubled", `${id} (line ${lines})`);
    }
    const content = reader.contentOf(line);
    const isPlaced = line.agent === sent.agent && line.stream === sent.stream;
    if (!isPlaced) find("changed", `${id} came as ${agentStream(line.agent, line.stream)}`);
    else if (content !== sent.content) find("changed", `${id} was ${sent.content} and came as ${content}`);
  }

  function take(text: string): void {
    lines++;
    const line = readLine(text);
    if (line === undefined) {
      find("unreadable", `line ${lines}: ${text.slice(0, 200)}`);
      return;
    }
    seqs.take(line);
    const place = agentStream(line.agent, line.stream);
    const count = line.last - line.first + 1;
    if (line.kind === "reading") takeReading(line);
    else if (line.kind === "loss") increase(lostSeqs, place, count);
    else {
      // An outcome of its own, with all its bytes; it is for the caller to say whether there may be any.
      increase(deadSeqs, place, count);
      find("dead letter", `${place} ${line.epoch} ${line.first} to ${line.last}`);
    }
  }

  /** Loss records name seqs, not ids: of each stream as many acknowledged ids may be missing as they name seqs. */
  function findLost(): number {
    const missing = new Map<string, string[]>();
    for (const id of testimony.acknowledged) {
      if (seen.has(id)) continue;
      const sent = testimony.attempted.get(id);
      if (sent === undefined) throw new Error(`${id} was acknowledged, but the testimony never sent it`);
      const place = agentStream(sent.agent, sent.stream);
      const ids = missing.get(place);
      if (ids === undefined) missing.set(place, [id]);
      else ids.push(id);
    }
    let named = 0;
    for (const [place, ids] of missing) {
      const covered = Math.min(ids.length, (lostSeqs.get(place) ?? 0) + (deadSeqs.get(place) ?? 0));
      named += covered;
      // Nobody can tell which of them the records meant; where too few are named, all are shown.
      if (covered < ids.length) for (const id of ids.slice(covered)) find("lost", id);
    }
    return named;
  }

  /** What is lost must have been attempted; where others write to the same stream, nobody outside can tell. */
  function findInventedLosses(): void {
    if (lostSeqs.size === 0) return;
    const open = new Map<string, number>();
    for (const [id, sent] of testimony.attempted) {
      if (!seen.has(id)) increase(open, agentStream(sent.agent, sent.stream), 1);
    }
    for (const [place, lost] of lostSeqs) {
      const unsent = lost - (open.get(place) ?? 0);
      if (unsent <= 0 || (unwitnessed.get(place) ?? 0) > 0 || reader.repeatsAllowed === true) continue;
      find("loss beyond attempts", `${unsent} of the ${lost} lost seqs of ${place}`);
    }
  }

  return {
    take,
    end() {
      for (const problem of seqs.problems()) find(problem.kind, problem.text);
      const lostNamed = findLost();
      findInventedLosses();
      return {
        attempted: testimony.attempted.size,
        acknowledged: testimony.acknowledged.size,
        queued: seen.size,
        queuedUnacknowledged: [...seen.keys()].filter((id) => !testimony.acknowledged.has(id)).length,
        lostNamed,
        lostSeqs: total(lostSeqs),
        unwitnessed: total(unwitnessed),
        repeated,
        epochs: seqs.epochs(),
        counts,
        findings,
      };
    },
  };
}

/** True where the audit found nothing. */
export function passed(result: AuditResult): boolean {
  return Object.keys(result.counts).length === 0;
}

function increase(counts: Map<string, number>, key: string, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}

function total(counts: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const count of counts.values()) sum += count;
  return sum;
}
