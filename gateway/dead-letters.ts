/**
 * `dead-letters list`, `show` and `replay`. To list and to show reads the queue beside the gateway that runs, and asks it
 * nothing; a replay is a step of the queue, so whoever writes the queue does it.
 */
import { writeFileSync } from "node:fs";
import { realEnv } from "../shared/env.ts";
import { Fault } from "../shared/errors.ts";
import { countedText, sizeText } from "../shared/human.ts";
import { sizeOf } from "../shared/ranges.ts";
import { exitCodes, type Voice } from "../shared/voice.ts";
import { askOrOpen } from "./ask-or-open.ts";
import type { GatewayConfig } from "./config.ts";
import { secondCluster } from "./config-kafka.ts";
import type { FoundLetter } from "./queue/dead-letters.ts";
import { type Answer, noReplays, openReplayer, replayTask, type Wish, wishesMax } from "./replay-letters.ts";

/** Beside the time until a replay cannot be lost any more. */
const replayMs = 120_000;

async function* lettersOf({ queue }: GatewayConfig): AsyncGenerator<FoundLetter> {
  if (queue.engine === "file") {
    const { letterLines } = await import("./queue/letter-lines.ts");
    yield* letterLines(queue.folder);
  } else {
    const { openLetters } = await import("./queue/kafka/open-letters.ts");
    yield* openLetters(queue, realEnv());
    // With a mirror the second cluster is a copy of the first.
    if (queue.standby?.form === "switch") yield* openLetters(secondCluster(queue, queue.standby), realEnv());
  }
}

/** Lists at most `limit` dead letters, oldest first in each partition. */
export async function listLetters(config: GatewayConfig, limit: number, json: boolean, voice: Voice): Promise<void> {
  const rows: string[][] = [];
  let listed = 0;
  for await (const found of lettersOf(config)) {
    if (listed === limit) {
      voice.note(`there are more than ${limit}: see --limit`);
      break;
    }
    listed++;
    if (json) voice.say(JSON.stringify(headOf(found)));
    else {
      const { letter, state, writtenMs } = found;
      const seqs = String(sizeOf([letter.span]));
      rows.push([
        letter.id,
        state,
        timeText(writtenMs) ?? "unknown",
        seqs,
        sizeText(letter.block.bytes.length),
        letter.reason,
      ]);
    }
  }
  if (json) return;
  if (listed === 0) voice.note("there are no dead letters");
  else voice.table(["id", "state", "written", "seqs", "block", "reason"], rows);
}

/** Shows one dead letter with its block, which goes to a file where one is named. */
export async function showLetter(
  config: GatewayConfig,
  id: string,
  file: string | undefined,
  voice: Voice,
): Promise<void> {
  for await (const found of lettersOf(config)) {
    const { letter } = found;
    if (letter.id !== id) continue;
    const { codec, rawBytes, crc, repeated, bytes, first, count } = letter.block;
    const block = { blockFirst: first, blockCount: count, codec, rawBytes, crc, repeated };
    const { segment, offsetUs, quality } = letter.clock;
    const clock = { clock: quality, clockSegment: segment, clockOffsetUs: offsetUs };
    if (file !== undefined) writeFileSync(file, bytes, { mode: 0o600 });
    const payload =
      file === undefined ? { payloadBase64: Buffer.from(bytes).toString("base64") } : { payloadFile: file };
    return voice.say(JSON.stringify({ ...headOf(found), ...block, ...clock, ...payload }, null, 2));
  }
  throw unknown([id]);
}

/**
 * Replays the dead letters of these ids, or all that are open.
 * @returns the exit code: 1 where one of them stays a dead letter
 */
export async function replayLetters(
  config: GatewayConfig,
  wanted: readonly string[] | "all",
  json: boolean,
  voice: Voice,
): Promise<number> {
  if (config.queue.engine === "file") throw noReplays();
  const missing = new Set(wanted === "all" ? [] : wanted);
  let wishes: Wish[] = [];
  let replayed = 0;
  let failed = 0;

  async function ask(): Promise<void> {
    for (const answer of await askFor(config, wishes)) {
      if (answer.fault === null) replayed++;
      else failed++;
      if (json) voice.say(JSON.stringify(answer));
      else if (answer.fault === null) voice.say(`${answer.id}: ${countedText(answer.seqs, "seq")} replayed`);
      else voice.note(`${answer.fault.what}${answer.fault.remedy === null ? "" : `; ${answer.fault.remedy}`}`);
    }
    wishes = [];
  }

  for await (const { letter, place, state } of lettersOf(config)) {
    const isWanted = wanted === "all" ? state !== "replayed" : missing.delete(letter.id);
    if (isWanted) wishes.push({ id: letter.id, place });
    if (wishes.length === wishesMax) await ask();
    if (wanted !== "all" && missing.size === 0) break;
  }
  if (wishes.length > 0) await ask();
  if (missing.size > 0) throw unknown([...missing]);
  if (!json && wanted === "all") voice.note(`${countedText(replayed, "dead letter")} replayed, ${failed} not`);
  return failed === 0 ? exitCodes.ok : exitCodes.failed;
}

function askFor(config: GatewayConfig, wishes: readonly Wish[]): Promise<Answer[]> {
  const settleMs = config.queue.engine === "kafka" ? config.queue.settleMs : 0;
  return askOrOpen(config, {
    name: replayTask,
    body: wishes,
    // The dead letters themselves settle first, then what was replayed.
    waitMs: replayMs + 4 * settleMs,
    work: ({ queue }) => openReplayer(queue).replay(wishes),
  });
}

function headOf({ letter, state, writtenMs }: FoundLetter): Readonly<Record<string, unknown>> {
  const { id, lane, span, reason, block } = letter;
  const seqs = { firstSeq: span.first, lastSeq: span.last, count: sizeOf([span]) };
  return { id, ...lane, ...seqs, reason, state, written: timeText(writtenMs), bytes: block.bytes.length };
}

function timeText(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

function unknown(ids: readonly string[]): Fault {
  return new Fault("usage", {
    what: `there is no dead letter ${ids.join(", ")}`,
    remedy: "see `holdfast-gateway dead-letters list`",
  });
}
