/** Records of the Kafka queue as lines of a queue, for the audit; it knows the headers that RECORDS.md promises. */

export interface TextRecord {
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly value: string | null;
}

/** Values are lines already, except those of dead letters, which only the headers describe as text. */
export function lineOf({ headers, value }: TextRecord): string {
  const header = (name: string): string | undefined => headers.find(([known]) => known === name)?.[1];
  if (header("kind") !== "dead-letter") return value ?? "";
  const [agent, stream, epoch] = ["agent", "stream", "epoch"].map(header);
  const [firstSeq, lastSeq] = ["first", "last"].map((name) => Number(header(name)));
  return JSON.stringify({ kind: "dead-letter", agent, stream, epoch, firstSeq, lastSeq });
}
