/**
 * The voice of the command lines: how faults, warnings, tables and progress look, and with which code a command ends.
 * Results go to stdout, everything said about them to stderr, so that pipes stay clean.
 */
import { codeOf, Fault, messageOf } from "./errors.ts";
import type { OptionFault } from "./options/fault.ts";

/** Exit codes: 0 and 1 as everywhere, the others as in sysexits, so that systemd and scripts can tell them apart. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 64,
  unavailable: 69,
  internal: 70,
  locked: 75,
  config: 78,
} as const;

/** A stream such as stdout or stderr. */
export interface Sink {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface Voice {
  /** A line of the result, on stdout. */
  say(line: string): void;
  /** A remark, on stderr. */
  note(line: string): void;
  /** Says what went wrong and what to do; returns the exit code for it. */
  fault(error: unknown): number;
  /** Says what a check of a configuration found. */
  optionFaults(faults: readonly OptionFault[]): void;
  /** Prints rows in aligned columns on stdout; numbers to the right. */
  table(head: readonly string[], rows: readonly (readonly string[])[]): void;
  /** Shows how far long work is: one line that changes at a terminal, a plain line now and then elsewhere. */
  progress(): Progress;
}

export interface Progress {
  update(text: string): void;
  /** Ends the line; `text` is the last thing it says. */
  end(text?: string): void;
}

/** Time between two plain lines of progress where there is no terminal. */
const plainProgressMs = 5_000;
/** Time between two redraws at a terminal. */
const redrawMs = 100;

/** Opens the voice of this process. NO_COLOR (no-color.org) is honoured. */
export function openVoice(
  out: Sink = process.stdout,
  err: Sink = process.stderr,
  environment: Readonly<Record<string, string | undefined>> = process.env,
  monoMs: () => number = () => performance.now(),
): Voice {
  const colour = err.isTTY === true && (environment.NO_COLOR ?? "") === "" && environment.TERM !== "dumb";
  const paint = (code: number, text: string): string => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  const explain = (title: string, why: string | undefined, remedy: string | undefined): void => {
    const reason = why === undefined ? "" : `  why: ${why}\n`;
    const advice = remedy === undefined ? "" : `  what now: ${remedy}\n`;
    err.write(`${title}\n${reason}${advice}`);
  };
  const red = 31;
  const yellow = 33;

  return {
    say: (line) => void out.write(`${line}\n`),
    note: (line) => void err.write(`${line}\n`),
    fault(error) {
      const title = paint(red, "error:");
      if (error instanceof Fault) explain(`${title} ${printable(error.what)}`, clean(error.why), clean(error.remedy));
      else {
        const stack = error instanceof Error ? error.stack : undefined;
        const remedy = "this is a defect in Holdfast; please report it with these lines";
        explain(`${title} ${printable(messageOf(error))}`, stack?.split("\n").slice(1).join("\n").trim(), remedy);
      }
      return exitCodeOf(error);
    },
    optionFaults(faults) {
      for (const { severity, source, line, column, what, why, remedy } of faults) {
        const place = line === null ? source : `${source}:${line}:${column}`;
        const title = severity === "fault" ? paint(red, "error:") : paint(yellow, "warning:");
        explain(`${place === "" ? "" : `${printable(place)}: `}${title} ${printable(what)}`, clean(why), clean(remedy));
      }
    },
    table(head, rows) {
      for (const line of tableLines(head, rows)) out.write(`${line}\n`);
    },
    progress: () => (err.isTTY === true ? liveProgress(err, monoMs) : plainProgress(err, monoMs)),
  };
}

/** Ends the process when the reader of stdout is gone, as in `queue read | head`: that is no failure. */
export function endWithReader(): void {
  process.stdout.on("error", (error) => {
    if (codeOf(error) !== "EPIPE") throw error;
    process.exit(exitCodes.ok);
  });
}

/** The exit code that tells a script what kind of failure it was. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof Fault)) return exitCodes.internal;
  switch (error.code) {
    case "usage":
    case "bad-input":
      return exitCodes.usage;
    case "config":
      return exitCodes.config;
    case "locked":
      return exitCodes.locked;
    case "unavailable":
      return exitCodes.unavailable;
    default:
      return exitCodes.failed;
  }
}

/** Aligned columns, two spaces apart; a column whose cells all begin with a digit or a dash stands to the right. */
export function tableLines(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const columns = head.map((title, index) => {
    const cells = rows.map((row) => printable(row[index] ?? ""));
    return {
      width: Math.max(title.length, ...cells.map(({ length }) => length)),
      right: cells.length > 0 && cells.every((cell) => /^[-\d]/.test(cell)),
    };
  });
  const align = (row: readonly string[]): string => {
    const cells = columns.map(({ width, right }, index) => {
      const cell = printable(row[index] ?? "");
      return right ? cell.padStart(width) : cell.padEnd(width);
    });
    return cells.join("  ").trimEnd();
  };
  return [head, ...rows].map(align);
}

/** Text from outside must not steer the terminal, so control characters are shown instead of sent. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

function clean(text: string | undefined): string | undefined {
  return text === undefined ? undefined : printable(text);
}

function liveProgress(err: Sink, monoMs: () => number): Progress {
  let drawnMs = Number.NEGATIVE_INFINITY;
  // A line as wide as the terminal would wrap and could not be drawn over.
  const draw = (text: string): void => void err.write(`\r\u001b[K${printable(text).slice(0, (err.columns ?? 80) - 1)}`);
  return {
    update(text) {
      if (monoMs() - drawnMs < redrawMs) return;
      drawnMs = monoMs();
      draw(text);
    },
    end(text) {
      draw(text ?? "");
      if (text !== undefined) err.write("\n");
    },
  };
}

function plainProgress(err: Sink, monoMs: () => number): Progress {
  let saidMs = Number.NEGATIVE_INFINITY;
  return {
    update(text) {
      if (monoMs() - saidMs < plainProgressMs) return;
      saidMs = monoMs();
      err.write(`${printable(text)}\n`);
    },
    end(text) {
      if (text !== undefined) err.write(`${printable(text)}\n`);
    },
  };
}
