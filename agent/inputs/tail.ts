/**
 * Follows log files. Each line becomes a reading; the position moves in the transaction of the lines (I1), so that a
 * crash at any moment neither skips a line nor takes one twice.
 *
 *   look for files → read a chunk of each → lines → readings → intake (again and again while it is full) → move on
 *
 * Files are polled: inotify does not see network and overlay file systems, and loses events under load.
 */
import { backoffMs } from "../../shared/backoff.ts";
import { messageOf } from "../../shared/errors.ts";
import type { Reading } from "../../shared/reading.ts";
import type { CursorMove, Input, InputContext, Request } from "./input.ts";
import { readCursor, writeCursor } from "./tail/cursor.ts";
import { chunkBuffer, cursorAt, type Place, readChunk } from "./tail/file.ts";
import { createFollower, type Followed } from "./tail/follow.ts";
import { createPieceReader, type LineFormat } from "./tail/readings.ts";

export interface TailOptions {
  /** Names the input: the series of its lines, and its cursors. */
  readonly name: string;
  /** Paths or glob patterns. */
  readonly files: readonly string[];
  readonly stream: string;
  readonly format: LineFormat;
}

export interface TailPace {
  /** Time between two looks for changes. */
  readonly scanMs: number;
  /** A file that has left the patterns is let go once nothing came for this long: its writer may still hold it. */
  readonly releaseMs: number;
}

const tailPace: TailPace = { scanMs: 1_000, releaseMs: 60_000 };

/** A request is closed once it holds this much, so that a backlog of gigabytes costs flat memory (I8). */
const requestBytesMax = 1024 * 1024;
const requestReadingsMax = 20_000;

/** What was read in one round: a request, and where the files stand once it is committed. */
interface Round {
  readonly request: Request;
  readonly moved: ReadonlyMap<Followed, Place>;
}

/** Starts following; `stop` ends after the commit under way. */
export function startTail(options: TailOptions, context: InputContext, pace: TailPace = tailPace): Input {
  const { intake, env, log } = context;
  const prefix = `tail/${options.name}/`;
  const follower = createFollower(options.files, prefix, log);
  const readPiece = createPieceReader(options.name, options.format);
  const buffer = chunkBuffer();
  let turn = highestTurn(intake.cursors(prefix));
  let rotation = 0;
  let stopping = false;
  let wake = () => {};

  function pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      if (stopping) return resolve();
      const timer = env.after(delayMs, resolve);
      wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  function isFinished(file: Followed): boolean {
    return !file.listed && !file.stirred && env.monoMs() - file.stillSinceMs >= pace.releaseMs;
  }

  /** The files to read in this round, one of each name: a rotated file is read to its end before its successor. */
  function due(): Followed[] {
    const first = new Map<string, Followed>();
    for (const file of follower.files.values()) {
      if ((file.stirred || isFinished(file)) && !first.has(file.path)) first.set(file.path, file);
    }
    // Each round begins with another file, so that a busy one cannot fill every request.
    const files = [...first.values()];
    rotation = files.length === 0 ? 0 : (rotation + 1) % files.length;
    return [...files.slice(rotation), ...files.slice(0, rotation)];
  }

  async function readRound(): Promise<Round> {
    const readings: Reading[] = [];
    const moved = new Map<Followed, Place>();
    let sizeBytes = 0;
    for (const file of due()) {
      if (sizeBytes >= requestBytesMax || readings.length >= requestReadingsMax) break;
      const finished = isFinished(file);
      const chunk = await readChunk(file.handle, file.place, finished, buffer).catch((error: unknown) => {
        log.warn({ path: file.path, why: messageOf(error) }, "a file cannot be read; it is tried again");
        return undefined;
      });
      if (chunk === "replaced") {
        follower.restart(file, intake.cursor(file.key));
      } else if (chunk === undefined || chunk.sizeBytes === 0) {
        // With the next change it is read again.
        file.stirred = false;
        if (finished) await follower.release(file);
      } else {
        const nowUs = env.wallUs();
        for (const piece of chunk.pieces) readings.push(...readPiece(piece, file.path, nowUs));
        moved.set(file, chunk.next);
        sizeBytes += chunk.sizeBytes;
      }
    }
    return { request: { portions: [{ stream: options.stream, readings }], cursors: cursorMoves(moved) }, moved };
  }

  function cursorMoves(moved: ReadonlyMap<Followed, Place>): CursorMove[] {
    if (moved.size === 0) return [];
    turn += 1;
    const moves = new Map(follower.takeMoves().map((move) => [move.key, move]));
    for (const [{ key, path }, place] of moved) {
      moves.set(key, { key, value: writeCursor(cursorAt(place, path, turn)) });
    }
    return [...moves.values()];
  }

  /** Commits, however long it takes; the files wait (I9). Returns false where the agent stops before. */
  async function commit(request: Request): Promise<boolean> {
    for (let attempt = 0; !stopping; attempt += 1) {
      try {
        await intake.append(request);
        if (attempt > 0) log.info("log lines are taken again");
        return true;
      } catch (error) {
        if (attempt === 0) log.warn({ why: messageOf(error) }, "log lines are not taken; they wait in their files");
        await pause(backoffMs(attempt, env.random()));
      }
    }
    return false;
  }

  /** Reads and commits what there is. Returns false where there was nothing. */
  async function round(): Promise<boolean> {
    const { request, moved } = await readRound();
    if (moved.size === 0) return follower.files.size > 0 && due().length > 0;
    if (!(await commit(request))) return false;
    for (const [file, place] of moved) file.place = place;
    return true;
  }

  async function run(): Promise<void> {
    let scanAtMs = Number.NEGATIVE_INFINITY;
    while (!stopping) {
      try {
        if (env.monoMs() >= scanAtMs) {
          await follower.scan(() => intake.cursors(prefix), env.monoMs());
          scanAtMs = env.monoMs() + pace.scanMs;
        }
        if (await round()) continue;
      } catch (error) {
        // Whatever it is, the process goes on and the lines wait in their files (I10).
        log.error({ err: error }, "following files failed; it is tried again");
      }
      await pause(Math.max(pace.scanMs / 10, scanAtMs - env.monoMs()));
    }
    for (const file of follower.files.values()) await file.handle.close();
  }

  const running = run();
  return {
    async stop() {
      stopping = true;
      wake();
      await running;
    },
  };
}

function highestTurn(cursors: ReadonlyMap<string, string>): number {
  let highest = 0;
  for (const value of cursors.values()) highest = Math.max(highest, readCursor(value)?.turn ?? 0);
  return highest;
}
