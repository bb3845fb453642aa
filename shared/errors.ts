/**
 * Errors that reach a person say what happened, why, and what to do now; errors that reach a program say whether
 * trying again can help.
 */

export type FaultCode =
  | "bad-input"
  | "too-large"
  | "unsupported-type"
  | "full"
  | "busy"
  | "closed"
  | "config"
  | "usage"
  | "locked"
  | "damaged"
  | "too-new"
  | "unauthorised"
  | "protocol"
  | "unavailable"
  | "internal";

export interface FaultDetail {
  /** What failed, in the words of the person who asked for it. */
  what: string;
  /** Why, as far as it is known. */
  why?: string;
  /** What to do now. */
  remedy?: string;
  /** True where the same call may succeed later. */
  retryable?: boolean;
  cause?: unknown;
}

/** The one error class of Holdfast: everything thrown on purpose is a Fault; anything else is a defect. */
export class Fault extends Error {
  readonly code: FaultCode;
  readonly what: string;
  readonly why: string | undefined;
  readonly remedy: string | undefined;
  readonly retryable: boolean;

  constructor(code: FaultCode, detail: FaultDetail) {
    super(detail.why === undefined ? detail.what : `${detail.what}: ${detail.why}`, { cause: detail.cause });
    this.name = "Fault";
    this.code = code;
    this.what = detail.what;
    this.why = detail.why;
    this.remedy = detail.remedy;
    this.retryable = detail.retryable ?? false;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The operating system's or SQLite's code of an error, such as ENOSPC or SQLITE_FULL; empty where there is none. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}
