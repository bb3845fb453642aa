/** What the error codes of JetStream mean for a journal. Pure. */
import type { StreamTroubleKind } from "../stream.ts";

export interface ApiError {
  /** As in HTTP. */
  readonly code: number;
  /** JetStream's own, which names the case. */
  readonly errCode: number;
  readonly description: string;
}

/** The subject holds no message; the consumer is gone. Both are for the caller to understand. */
export const noMessage = 10037;
export const noConsumer = 10014;

type Meaning = StreamTroubleKind | "full" | "overtaken" | "in-process" | "defect";

/** By JetStream's codes. What is none of these is judged by its HTTP code. */
const meanings: Readonly<Record<number, Meaning>> = {
  // Wrong last sequence: with the sequence that it is; and without, where another message of the subject is in process.
  10071: "overtaken",
  10164: "in-process",
  10059: "missing",
  // The subject belongs to another stream than the one that was named: ours was deleted, and somebody took its place.
  10060: "missing",
  // Limits of the account, of the server, of the disk that is left, of memory.
  10002: "full",
  10023: "full",
  10047: "full",
  10028: "full",
  // No leader of the cluster, or not this server; a stream that is offline; JetStream shut down on a server whose disk
  // failed; a leader that does not yet know what was written last; more requests than it takes.
  10008: "away",
  10009: "away",
  10118: "away",
  10194: "away",
  10076: "away",
  10163: "away",
  10167: "away",
  // No JetStream for this account, and no such account.
  10039: "refused",
  10035: "refused",
  // Larger than the stream takes, or its headers are: this gateway never sends such a one.
  10054: "defect",
  10097: "defect",
};

/** "Generic error when storing": what it was stands in its text only. */
const storeFailed = 10077;
const fullTexts = /^maximum (bytes|messages)/;

function meaningOf({ errCode, description }: ApiError): Meaning | undefined {
  return errCode === storeFailed && fullTexts.test(description) ? "full" : meanings[errCode];
}

/** What an error says about a write. Where that is not known for sure, the write may have been stored. */
export function writeMeaning(error: ApiError): Meaning | "unsure" {
  return meaningOf(error) ?? (error.code >= 500 ? "unsure" : "refused");
}

/** What an error says about anything else. */
export function troubleMeaning(error: ApiError): StreamTroubleKind {
  const meaning = meaningOf(error);
  if (meaning === "missing" || meaning === "refused" || meaning === "away") return meaning;
  return error.code >= 500 ? "away" : "refused";
}
