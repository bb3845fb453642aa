/**
 * What a journal stands on, on the NATS servers: made by an operator's command alone, and checked at every start. What
 * is there and differs is named, and never changed.
 */
import { StreamTrouble, type Written } from "../stream.ts";
import { answerOf, type JetStream, jetStream, mustBeFine } from "./api.ts";
import { journalArchive } from "./archive.ts";
import {
  absentStream,
  type LayoutFinding,
  type LayoutSettings,
  payloadBytes,
  type StreamConfig,
  smallPayload,
  streamFindings,
  uncreatableStream,
  wantedGroupBucket,
  wantedStreams,
} from "./layout-rules.ts";
import { streamInfo } from "./leader.ts";
import type { NatsLink } from "./link.ts";
import { NoAnswer } from "./link-errors.ts";
import { groupBucket } from "./names.ts";
import { isComplete, reportOf, type ServerReport, serverFindings } from "./server-rules.ts";

/** The key of the group's bucket that says which journal is the group's. */
const pointerKey = "journal";
/** Each server of the cluster answers this to the system account, and to accounts that import it. */
const serverQuestion = "$SYS.REQ.SERVER.PING.JSZ";
const serverAnswerBytes = 256 * 1024;
/** Servers of one cluster answer within milliseconds of each other. */
const quietMs = 500;

/** Which journal is the group's, and the revision to expect when that changes. */
export interface JournalPointer {
  readonly journalId: string;
  readonly revision: number;
}

/** @returns null where no journal was made yet. @throws StreamTrouble */
export async function readPointer(link: NatsLink, groupId: string): Promise<JournalPointer | null> {
  try {
    const entry = await journalArchive(jetStream(link), groupBucket(groupId)).get(pointerKey);
    if (entry === null) return null;
    const journalId = Buffer.from(entry.bytes).toString();
    if (/^[0-9a-f]{32}$/.test(journalId)) return { journalId, revision: entry.revision };
    throw new StreamTrouble("refused", `the bucket ${groupBucket(groupId)} holds no journal id under ${pointerKey}`);
  } catch (error) {
    if (error instanceof StreamTrouble && error.kind === "missing") return null;
    throw error;
  }
}

/**
 * Makes a journal the group's, if none was made in the meantime.
 * @param expected the pointer's revision, 0 where there was none
 * @throws StreamTrouble
 */
export async function movePointer(
  link: NatsLink,
  groupId: string,
  expected: number,
  journalId: string,
): Promise<Written> {
  const bucket = journalArchive(jetStream(link), groupBucket(groupId));
  return await bucket.put(pointerKey, expected, Buffer.from(journalId));
}

/**
 * Makes what is missing of a journal, and checks all of it. May be repeated.
 * @throws StreamTrouble
 */
export async function makeLayout(
  link: NatsLink,
  system: NatsLink | null,
  settings: LayoutSettings,
  journalId: string,
): Promise<readonly LayoutFinding[]> {
  const jet = jetStream(link);
  // A server that loses what it acknowledges is found before anything is trusted to it.
  const findings = await checkServers(link, system, []);
  if (findings.some(({ severity }) => severity === "fault")) return findings;
  for (const wanted of all(settings, journalId)) {
    const answer = await jet.ask(`STREAM.CREATE.${wanted.name}`, wanted);
    // One that is there already, and differs, is named by the check.
    if (answer.error === undefined || answer.error.errCode === nameInUse) continue;
    // What may pass is for the caller to try again; what the cluster says of itself is for the operator.
    if (answer.error.errCode === systemAway) mustBeFine(answer);
    return [uncreatableStream(wanted, answer.error.description)];
  }
  return await checkLayout(link, system, settings, journalId);
}

const nameInUse = 10058;
const systemAway = 10008;

/** Looks at everything, and changes nothing. @throws StreamTrouble */
export async function checkLayout(
  link: NatsLink,
  system: NatsLink | null,
  settings: LayoutSettings,
  journalId: string,
): Promise<readonly LayoutFinding[]> {
  const jet = jetStream(link);
  const findings: LayoutFinding[] = [];
  const holders = new Set<string>();
  for (const wanted of all(settings, journalId)) findings.push(...(await checkStream(jet, wanted, holders)));
  if (link.payloadBytesMax < payloadBytes) findings.push(smallPayload(link.payloadBytesMax));
  return [...findings, ...(await checkServers(link, system, [...holders]))];
}

function all(settings: LayoutSettings, journalId: string): readonly StreamConfig[] {
  return [wantedGroupBucket(settings), ...wantedStreams(settings, journalId)];
}

async function checkStream(jet: JetStream, wanted: StreamConfig, holders: Set<string>): Promise<LayoutFinding[]> {
  try {
    const { config, cluster } = await streamInfo(jet, wanted.name);
    for (const { name } of cluster?.replicas ?? []) holders.add(name);
    if (cluster?.leader !== undefined) holders.add(cluster.leader);
    return streamFindings(wanted, config);
  } catch (error) {
    if (error instanceof StreamTrouble && error.kind === "missing") return [absentStream(wanted)];
    throw error;
  }
}

/**
 * What is wrong with the servers: each says itself how old it is and whether it writes through to the disk.
 * @param system a connection of the system account; null where the journal's own account imports its service
 */
async function checkServers(
  link: NatsLink,
  system: NatsLink | null,
  holders: readonly string[],
): Promise<LayoutFinding[]> {
  return serverFindings(await askServers(system ?? link), holders);
}

async function askServers(link: NatsLink): Promise<ServerReport[] | null> {
  try {
    const reports = (answers: readonly Uint8Array[]) =>
      answers
        .map((bytes) => reportOf(answerOf(bytes, serverAnswerBytes, serverQuestion).fields))
        .filter((report) => report !== undefined);
    return reports(await link.requestAll(serverQuestion, quietMs, (answers) => isComplete(reports(answers))));
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    if (error.silence === "nobody" || error.silence === "refused") return null;
    throw new StreamTrouble("away", `the NATS servers do not answer: ${error.message}`, { cause: error });
  }
}
