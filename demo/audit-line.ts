/** A line of the queue, as the audit sees it: checked as far as the audit relies on it, and no further. */

interface Place {
  readonly agent: string;
  readonly stream: string;
  readonly epoch: string;
  /** The seqs that this line settles; a reading has one. */
  readonly first: number;
  readonly last: number;
}

export type QueueLine = Place & {
  readonly kind: "reading" | "loss" | "dead-letter";
  readonly name: string;
  readonly unit: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number | string | boolean | Uint8Array | undefined;
  readonly timeUs: number | undefined;
  readonly sensorTime: boolean;
  readonly repeated: boolean;
  readonly clock: string | undefined;
  readonly reason: string | undefined;
};

type Json = Readonly<Record<string, unknown>>;

/** Reads a line; undefined where it is none. */
export function readLine(text: string): QueueLine | undefined {
  let json: Json;
  try {
    json = JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
  if (typeof json !== "object" || json === null) return undefined;
  const { kind, agent, stream, epoch } = json;
  if (typeof agent !== "string" || typeof stream !== "string" || typeof epoch !== "string") return undefined;
  if (kind !== "reading" && kind !== "loss" && kind !== "dead-letter") return undefined;
  const first = kind === "reading" ? json.seq : json.firstSeq;
  const last = kind === "reading" ? json.seq : json.lastSeq;
  if (!isSeq(first) || !isSeq(last) || last < first) return undefined;
  if (kind === "reading" && (typeof json.name !== "string" || !isUs(json.timeUs))) return undefined;
  if (kind === "reading" && (json.value === undefined) === (json.valueBase64 === undefined)) return undefined;
  return {
    kind,
    agent,
    stream,
    epoch,
    first,
    last,
    name: typeof json.name === "string" ? json.name : "",
    unit: json.unit as string | undefined,
    labels: (json.labels ?? {}) as Readonly<Record<string, string>>,
    value: valueIn(json),
    timeUs: json.timeUs as number | undefined,
    sensorTime: json.sensorTime === true,
    repeated: json.repeated === true,
    clock: json.clock as string | undefined,
    reason: json.reason as string | undefined,
  };
}

function valueIn({ value, valueBase64 }: Json): QueueLine["value"] {
  if (typeof valueBase64 === "string") return new Uint8Array(Buffer.from(valueBase64, "base64"));
  return value as number | string | boolean | undefined;
}

function isSeq(seq: unknown): seq is number {
  return Number.isSafeInteger(seq) && (seq as number) >= 1;
}

function isUs(time: unknown): boolean {
  return Number.isSafeInteger(time) && (time as number) >= 0;
}
