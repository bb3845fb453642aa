/** The log: JSON lines on stderr for machines, short lines for a person at a terminal. */
import { type DestinationStream, type Logger, pino } from "pino";
import { Fault } from "./errors.ts";

export const logLevels = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof logLevels)[number];

/** What a stalled reader of stderr may cost in memory; beyond it lines are dropped, because a log must never stop readings. */
const waitingBytesMax = 1024 * 1024;

export interface LogOptions {
  readonly program: string;
  readonly level: LogLevel;
  /** Where lines go; stderr where absent. */
  readonly destination?: DestinationStream;
}

/** Opens the log of a program. Errors are logged under `err`; the parts of a Fault appear as fields of their own. */
export function openLog(options: LogOptions): Logger {
  return pino(
    {
      level: options.level,
      base: { program: options.program },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describeError },
    },
    options.destination ?? stderrDestination(),
  );
}

function stderrDestination(): DestinationStream {
  if (process.stderr.isTTY) return { write: (line) => void process.stderr.write(humanLine(line)) };
  // Asynchronous, so that a blocked pipe cannot block an acknowledgement; pino flushes it when the process exits.
  return pino.destination({ fd: 2, sync: false, maxLength: waitingBytesMax });
}

/** The fields of an error worth keeping: a Fault was thrown on purpose and needs no stack, a defect does. */
function describeError(error: unknown): Record<string, unknown> {
  if (error instanceof Fault) {
    const { code, what, why, remedy, retryable } = error;
    return { code, what, why, remedy, retryable };
  }
  if (error instanceof Error) return { message: error.message, code: codeField(error), stack: error.stack };
  return { message: String(error) };
}

function codeField(error: Error): unknown {
  return (error as { code?: unknown }).code;
}

/** A line of the log as pino writes it, with the serializer above. */
interface Line {
  readonly time: string;
  readonly level: string;
  readonly program?: string;
  readonly msg?: string;
  readonly err?: {
    readonly what?: string;
    readonly why?: string;
    readonly remedy?: string;
    readonly message?: string;
    readonly stack?: string;
  };
}

/** One JSON line of the log as a person reads it: time of day (UTC), level, message, then the other fields. */
export function humanLine(line: string): string {
  const { time, level, program: _, msg, err, ...fields } = JSON.parse(line) as Line;
  const rest = Object.entries(fields).map(([key, value]) => ` ${key}=${plain(value)}`);
  const error = err === undefined ? [] : [err.what, err.why, err.remedy, err.stack ?? err.message];
  const below = error.filter((part) => part !== undefined).map((part) => `\n  ${part}`);
  return `${time.slice(11, 19)} ${level.padEnd(5)} ${msg ?? ""}${rest.join("")}${below.join("")}\n`;
}

function plain(value: unknown): string {
  return typeof value === "string" && /^\S+$/.test(value) ? value : JSON.stringify(value);
}
