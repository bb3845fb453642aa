/** What the errors of the NATS client mean. Pure; the client's classes are told by their names, since it is loaded late. */
import { messageOf } from "../../../../shared/errors.ts";
import { StreamTrouble } from "../stream.ts";
import type { NatsSettings } from "./settings.ts";

/**
 * Why there is no answer. `unsent`: the request did not leave; `nobody`: no server takes such requests now, so none
 * was taken; `silent`: none came in time, and what was asked for may be done; `refused`: this client may not ask, or not
 * with so many bytes.
 */
export type Silence = "unsent" | "nobody" | "silent" | "refused";

export class NoAnswer extends Error {
  readonly silence: Silence;

  constructor(silence: Silence, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "NoAnswer";
    this.silence = silence;
  }
}

function chainOf(error: unknown): Error[] {
  return [error, (error as { cause?: unknown } | null)?.cause].filter((cause) => cause instanceof Error);
}

/** Why a request was not answered. */
export function noAnswerOf(error: unknown): NoAnswer {
  const is = (name: string) => chainOf(error).some((cause) => cause.name === name);
  const silence: Silence = is("NoResponders")
    ? "nobody"
    : is("PermissionViolationError") || is("InvalidArgumentError")
      ? "refused"
      : is("ClosedConnectionError") || is("DrainingConnectionError")
        ? "unsent"
        : "silent";
  return new NoAnswer(silence, messageOf(error), { cause: error });
}

/** Refusals, by the names of the client's errors; those of certificates by OpenSSL's codes; the others by their texts. */
const refusals = new Set(["AuthorizationError", "UserAuthenticationExpiredError", "InvalidArgumentError"]);
const certificateRefusals = /^(CERT_|ERR_TLS_|ERR_SSL_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_)/;
const refusalTexts = /does not support 'tls'|unable to parse credentials|^nkeys: /;

/** Why no connection came about. */
export function refusalOf(error: unknown, { servers, tls }: NatsSettings): StreamTrouble {
  const causes = chainOf(error);
  // Where a server demands TLS and there are no settings for it, the client stumbles over their absence.
  const lacksTls = tls === null && causes.some((cause) => cause instanceof TypeError);
  const isRefused = causes.some(
    (cause) =>
      refusals.has(cause.name) ||
      certificateRefusals.test(String((cause as { code?: unknown }).code ?? "")) ||
      refusalTexts.test(cause.message),
  );
  const text = lacksTls ? "they demand TLS, and none is configured" : messageOf(error);
  const where = servers.join(", ");
  return isRefused || lacksTls
    ? new StreamTrouble("refused", `the NATS servers ${where} refuse this gateway: ${text}`, { cause: error })
    : new StreamTrouble("away", `no NATS server answers at ${where}: ${text}`, { cause: error });
}
