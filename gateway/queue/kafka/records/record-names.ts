/**
 * The headers by which a record says which seqs it settles, and who wrote it: RECORDS.md shows all headers. After a
 * cluster has lost its newest positions, a scan reads these names back (I5), so they are written and read in this file.
 *
 * Every record has `holdfast` (namespace/shard/transaction), `agent`, `stream` and `epoch`, and either `seq` or `first` and
 * `last`. The record with the first seq of a span that a block fills has `before` as well, the one with the last seq
 * `after`: the block's chain there, empty where it is unknown. So the seams between blocks stay visible: over one
 * without chains nobody may join two ranges as if they had been one history.
 */
import { type BlockHead, lastOf } from "../../../../shared/block/block.ts";
import type { Chain } from "../../../../shared/chain.ts";
import { identifierLengthMax, seqMax } from "../../../../shared/limits.ts";
import { clip, type Span } from "../../../../shared/ranges.ts";
import { isIdentifier } from "../../../../shared/reading.ts";
import type { Lane } from "../../queue.ts";
import type { KafkaRecord } from "../cluster.ts";

export type Header = KafkaRecord["headers"][number];

/** What wrote a record: the queue's namespace, its shard, and the shard's transaction. */
export interface Writer {
  readonly namespace: string;
  readonly shard: number;
  readonly t: number;
}

const kinds = ["batch", "loss", "dead-letter"] as const;
/** Records without the header `kind` are readings. */
export type RecordKind = (typeof kinds)[number] | "reading";

export interface RecordName extends Writer, Span {
  readonly kind: RecordKind;
  readonly lane: Lane;
  /** Chains before the first and after the last seq; null where unknown, and inside of a span. */
  readonly before: Chain;
  readonly after: Chain;
  /** True where a span begins at the first seq, or ends at the last: what lies beyond came in another block. */
  readonly opens: boolean;
  readonly closes: boolean;
  /** The replay of a dead letter that wrote it; null where the outcome itself was written. */
  readonly replay: string | null;
}

/** Namespaces are parts of transactional ids and of headers. */
export function isNamespace(text: string): boolean {
  return /^[a-zA-Z0-9._-]{1,64}$/.test(text);
}

/** The headers that all records of a lane share in one transaction. */
export function laneHeaders({ namespace, shard, t }: Writer, { agent, stream, epoch }: Lane) {
  const headers: [Header, Header, Header, Header] = [
    ["holdfast", `${namespace}/${shard}/${t}`],
    ["agent", agent],
    ["stream", stream],
    ["epoch", epoch],
  ];
  return headers;
}

/** The headers for the ends of a span that a block fills, as far as `part` of it, a record's share, reaches them. */
export function edgeHeaders(block: BlockHead, span: Span, part: Span): Header[] {
  const { before, after } = clip({ ...block, last: lastOf(block) }, span);
  const headers: Header[] = [];
  if (part.first === span.first) headers.push(["before", before ?? ""]);
  if (part.last === span.last) headers.push(["after", after ?? ""]);
  return headers;
}

/** The headers of a record that settles more than one seq. */
export function partHeaders(kind: RecordKind, { first, last }: Span): Header[] {
  return [
    ["kind", kind],
    ["first", String(first)],
    ["last", String(last)],
  ];
}

const none = Buffer.alloc(0);
const ownHeaders = [
  "holdfast",
  "agent",
  "stream",
  "epoch",
  "kind",
  "seq",
  "first",
  "last",
  "before",
  "after",
  "replay",
] as const;
/** Longer values are none of ours. */
const valueBytesMax = 2 * identifierLengthMax;
/** The id of a dead letter is its lane and two seqs. */
const idBytesMax = 2 * identifierLengthMax + 64;

/**
 * Reads names: millions of them at the start of a shard, hence from the headers alone, and with a memory of what the
 * record before had.
 * @returns a function that never throws: `"foreign"` says that no Holdfast wrote the record, undefined that one did but
 * that its name cannot be read, because a later version wrote it or somebody changed it
 */
export function nameReader(): (headers: KafkaRecord["headers"]) => RecordName | "foreign" | undefined {
  const writerOf = remembered(parseWriter);
  const agentOf = remembered((text) => (isIdentifier(text) ? text : undefined));
  const streamOf = remembered((text) => (isIdentifier(text) ? text : undefined));
  const epochOf = remembered((text) => (/^[0-9a-f]{16}$/.test(text) ? text : undefined));
  let lane: Lane = { agent: "", stream: "", epoch: "" };

  return (headers) => {
    const found: Partial<Record<(typeof ownHeaders)[number], Uint8Array>> = {};
    let isBroken = false;
    for (const [name, content] of headers) {
      const own = ownHeaders.find((known) => known === name);
      if (own === undefined) continue;
      isBroken ||= found[own] !== undefined || content.length > (own === "replay" ? idBytesMax : valueBytesMax);
      found[own] = typeof content === "string" ? Buffer.from(content) : content;
    }
    if (found.holdfast === undefined) return "foreign";
    if (isBroken) return undefined;
    const { kind: kindBytes, before: beforeBytes, after: afterBytes } = found;
    const writer = writerOf(found.holdfast);
    const [agent, stream, epoch] = [
      agentOf(found.agent ?? none),
      streamOf(found.stream ?? none),
      epochOf(found.epoch ?? none),
    ];
    const kind = kindBytes === undefined ? "reading" : kinds.find((known) => known === textOf(kindBytes));
    const first = countOf((kind === "reading" ? found.seq : found.first) ?? none);
    const last = kind === "reading" ? first : countOf(found.last ?? none);
    const [before, after] = [chainOf(beforeBytes), chainOf(afterBytes)];
    if (writer === undefined || agent === undefined || stream === undefined || epoch === undefined) return undefined;
    if (kind === undefined || before === undefined || after === undefined) return undefined;
    if (first < 1 || last < first) return undefined;
    // The strings are the same ones while they repeat, and so is the lane then.
    if (lane.epoch !== epoch || lane.stream !== stream || lane.agent !== agent) lane = { agent, stream, epoch };
    const { namespace, shard, t } = writer;
    const [opens, closes] = [beforeBytes !== undefined, afterBytes !== undefined];
    const replay = found.replay === undefined ? null : textOf(found.replay);
    return { namespace, shard, t, kind, lane, first, last, before, after, opens, closes, replay };
  };
}

/** A parser that knows its latest answer. */
function remembered<T>(parse: (text: string) => T | undefined): (bytes: Uint8Array) => T | undefined {
  let latest: Uint8Array = none;
  let answer: T | undefined;
  return (bytes) => {
    if (!isSame(bytes, latest)) {
      latest = bytes;
      answer = parse(textOf(bytes));
    }
    return answer;
  };
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

function parseWriter(text: string): Writer | undefined {
  const [namespace = "", shard = "", t = "", ...more] = text.split("/");
  if (more.length > 0 || !isNamespace(namespace)) return undefined;
  const [shardNumber, number] = [countOf(Buffer.from(shard)), countOf(Buffer.from(t))];
  return shardNumber < 0 || number < 0 ? undefined : { namespace, shard: shardNumber, t: number };
}

/** A whole number in decimal digits; -1 where it is none, or above what a double holds exactly. */
function countOf(bytes: Uint8Array): number {
  if (bytes.length === 0 || bytes.length > 16) return -1;
  let count = 0;
  for (const byte of bytes) {
    if (byte < 0x30 || byte > 0x39) return -1;
    count = count * 10 + (byte - 0x30);
  }
  return count <= seqMax ? count : -1;
}

/** Null for a header that is absent or empty; undefined for anything but a chain. */
function chainOf(bytes: Uint8Array | undefined): Chain | undefined {
  if (bytes === undefined || bytes.length === 0) return null;
  const text = textOf(bytes);
  return /^[0-9a-f]{16}$/.test(text) ? text : undefined;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
