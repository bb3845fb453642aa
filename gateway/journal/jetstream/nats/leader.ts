/** Questions about a stream that its leader answers: an outdated one may do so too. */
import { messageBytesMax, StreamTrouble } from "../stream.ts";
import { type JetStream, mustBeFine } from "./api.ts";
import { noMessage } from "./api-errors.ts";

/** Base64 in JSON. */
const messageAnswerBytes = Math.ceil((messageBytesMax * 4) / 3) + 64 * 1024;
/** The API lists 100,000 subjects at a time. */
const listAnswerBytes = 32 * 1024 * 1024;
const listTriesMax = 5;
/** Most subjects that one list may have (I8). */
const subjectsMax = 2_000_000;

/** A stream as it is now, by JetStream's own names, as far as it is used. */
export interface StreamInfo {
  readonly config: Readonly<Record<string, unknown>>;
  readonly state: { readonly bytes: number; readonly last_seq: number; readonly subjects?: Record<string, number> };
  readonly cluster?: { readonly leader?: string; readonly replicas?: readonly { readonly name: string }[] };
  /** How many subjects all pages have together. */
  readonly total?: number;
}

/** @throws StreamTrouble: `missing` where there is no such stream */
export async function streamInfo(
  jet: JetStream,
  stream: string,
  body: object | null = null,
  answerBytesMax?: number,
): Promise<StreamInfo> {
  const answer = await jet.ask(`STREAM.INFO.${stream}`, body, answerBytesMax);
  const info = mustBeFine(answer) as unknown as StreamInfo;
  // Where a stream has no leader, each member answers from what it last knew.
  if (info.cluster !== undefined && !info.cluster.leader) {
    throw new StreamTrouble("away", `the stream ${stream} has no leader now`);
  }
  return info;
}

export interface LastMessage {
  readonly seq: number;
  /** As they stand on the wire; empty without any. */
  readonly headers: string;
  readonly bytes: Uint8Array;
}

/** The newest message of a subject. @throws StreamTrouble */
export async function lastMessage(jet: JetStream, stream: string, subject: string): Promise<LastMessage | null> {
  const answer = await jet.ask(`STREAM.MSG.GET.${stream}`, { last_by_subj: subject }, messageAnswerBytes);
  if (answer.error?.errCode === noMessage) return null;
  const { seq, data = "", hdrs = "" } = mustBeFine(answer).message as { seq: number; data?: string; hdrs?: string };
  return { seq, headers: Buffer.from(hdrs, "base64").toString("latin1"), bytes: Buffer.from(data, "base64") };
}

/** Removes the messages of a subject below a sequence. @throws StreamTrouble */
export async function purgeBelow(jet: JetStream, stream: string, subject: string, below: number): Promise<void> {
  // Without a sequence the server removes everything.
  if (below <= 1) return;
  mustBeFine(await jet.ask(`STREAM.PURGE.${stream}`, { filter: subject, seq: below }));
}

export interface SubjectList {
  /** The stream's last sequence, or an earlier one: whatever was stored up to it is in the list. */
  readonly lastSeq: number;
  readonly subjects: readonly string[];
}

/** The subjects that match a filter and hold messages. @throws StreamTrouble */
export async function listSubjects(jet: JetStream, stream: string, filter: string): Promise<SubjectList> {
  for (let tries = 0; tries < listTriesMax; tries++) {
    const list = await listOnce(jet, stream, filter);
    if (list !== undefined) return list;
  }
  throw new StreamTrouble("away", `the subjects of ${stream} change faster than they can be listed`);
}

/** Undefined where the list changed from one page to the next. */
async function listOnce(jet: JetStream, stream: string, filter: string): Promise<SubjectList | undefined> {
  const subjects: string[] = [];
  let lastSeq = 0;
  for (;;) {
    const question = { subjects_filter: filter, offset: Math.max(0, subjects.length - 1) };
    const { state, total = 0 } = await streamInfo(jet, stream, question, listAnswerBytes);
    if (total > subjectsMax)
      throw new StreamTrouble("refused", `${stream} has ${total} subjects; ${subjectsMax} are allowed`);
    const page = Object.keys(state.subjects ?? {}).sort();
    // The server notes the last sequence first, and lists then.
    if (subjects.length === 0) lastSeq = state.last_seq;
    // Pages overlap by one subject: where that has kept its place, none was passed over.
    else if (page.shift() !== subjects.at(-1)) return undefined;
    subjects.push(...page);
    if (subjects.length >= total || page.length === 0) return { lastSeq, subjects };
  }
}
