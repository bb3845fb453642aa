/**
 * The life of a process: parts start in the order of the code and stop in reverse; a signal or the first part that
 * fails stops all; a watchdog bounds the stop. The idea of one small primitive for all parts is oklog/run's.
 */
import type { Logger } from "pino";
import { Fault } from "./errors.ts";

/** SIGTERM must end within 5 s; what is left of them goes to the exit itself. */
const stopWithinMs = 4_500;

export interface Life {
  /** Says how to stop the part that has just started. The last one registered stops first. */
  onStop(part: string, stop: () => void | Promise<void>): void;
  /** A part cannot go on: everything stops and the process exits with a failure. */
  fail(part: string, error: unknown): void;
  /** Aborted as soon as the stop begins. */
  readonly stopping: AbortSignal;
}

/** What of the process the run touches; injected in tests. */
export interface ProcessPort {
  on(event: "SIGTERM" | "SIGINT" | "uncaughtException", listener: (arg: unknown) => void): unknown;
  removeListener(event: "SIGTERM" | "SIGINT" | "uncaughtException", listener: (arg: unknown) => void): unknown;
  exit(code: number): void;
}

const secondSignalCode = { SIGINT: 130, SIGTERM: 143 } as const;
/** A defect, as in sysexits: the process state cannot be trusted any more. */
const defectCode = 70;

/**
 * Runs a program until a signal or a failure.
 * @param start starts the parts one after the other; everything that must be stopped is given to `life.onStop`
 * @returns the exit code: 0 after an orderly stop by signal, 1 after a failure
 * @throws what `start` threw, after everything that had started was stopped
 */
export async function run(
  start: (life: Life) => Promise<void>,
  log: Logger,
  port: ProcessPort = process,
  boundMs: number = stopWithinMs,
): Promise<number> {
  const stops: { part: string; stop: () => void | Promise<void> }[] = [];
  const stopping = new AbortController();
  const ended = Promise.withResolvers<number>();

  const end = (code: number): void => {
    if (stopping.signal.aborted) return;
    stopping.abort();
    ended.resolve(code);
  };
  const life: Life = {
    onStop(part, stop) {
      stops.push({ part, stop });
      // A stop that comes during the start ends it here, with this part still stopped in its turn.
      if (stopping.signal.aborted) throw new Fault("closed", { what: "the start was interrupted" });
    },
    fail(part, error) {
      log.error({ part, err: error }, "a part failed; stopping");
      end(1);
    },
    stopping: stopping.signal,
  };
  const listeners = watchProcess(port, log, stopping.signal, end);
  let watchdog: NodeJS.Timeout | undefined;
  stopping.signal.addEventListener("abort", () => {
    watchdog = setTimeout(() => {
      log.error({ waitingFor: stops.at(-1)?.part ?? "the start" }, "the stop takes too long; exiting now");
      port.exit(1);
    }, boundMs);
  });

  let failure: { error: unknown } | undefined;
  try {
    await start(life);
  } catch (error) {
    if (!stopping.signal.aborted) {
      failure = { error };
      end(1);
    }
  }
  let code = await ended.promise;
  if (!(await stopAll(stops, log))) code = 1;
  clearTimeout(watchdog);
  listeners.remove();
  if (failure !== undefined) throw failure.error;
  return code;
}

/** Stops in reverse order; a part that fails to stop does not keep the others from it. */
async function stopAll(stops: { part: string; stop: () => void | Promise<void> }[], log: Logger): Promise<boolean> {
  let clean = true;
  for (let last = stops.at(-1); last !== undefined; last = stops.at(-1)) {
    try {
      await last.stop();
    } catch (error) {
      clean = false;
      log.error({ part: last.part, err: error }, "a part did not stop cleanly");
    }
    stops.pop();
  }
  return clean;
}

function watchProcess(port: ProcessPort, log: Logger, stopping: AbortSignal, end: (code: number) => void) {
  const onSignal = (signal: "SIGTERM" | "SIGINT") => () => {
    if (stopping.aborted) return port.exit(secondSignalCode[signal]);
    log.info({ signal }, "stopping");
    end(0);
  };
  const listeners = {
    SIGTERM: onSignal("SIGTERM"),
    SIGINT: onSignal("SIGINT"),
    // The stores survive a crash at any instant, so a defect ends the process at once instead of going on half broken.
    uncaughtException: (error: unknown) => {
      log.error({ err: error }, "a defect ended the process");
      port.exit(defectCode);
    },
  };
  const events = ["SIGTERM", "SIGINT", "uncaughtException"] as const;
  for (const event of events) port.on(event, listeners[event]);
  return {
    remove: () => {
      for (const event of events) port.removeListener(event, listeners[event]);
    },
  };
}
