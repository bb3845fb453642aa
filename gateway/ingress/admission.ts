/** Which CONNECT an agent may send, decided from the packet alone. */
import { isClientIdOf } from "../../shared/client-id.ts";
import { isIdentifier } from "../../shared/reading.ts";

/** Longest keep-alive; a half-open connection is noticed after 1.5 times the agent's own. */
const keepAliveSecondsMax = 2 * 3600;

/** CONNACK return codes that say why (MQTT 3.1.1 §3.2.2.3). */
export const returnCode = { badIdentifier: 2, badCredentials: 4, notAuthorised: 5 } as const;

export interface ConnectFacts {
  readonly username: string;
  readonly clientId: string;
  readonly clean: boolean;
  readonly keepAliveSeconds: number;
  readonly hasWill: boolean;
}

export interface Refusal {
  readonly returnCode: number;
  readonly why: string;
}

/** What is wrong with a CONNECT, credentials aside; undefined where nothing is. */
export function admissionFault(connect: ConnectFacts): Refusal | undefined {
  const { username, clientId, clean, keepAliveSeconds, hasWill } = connect;
  if (!isIdentifier(username)) return { returnCode: returnCode.badCredentials, why: "the user name is no agent name" };
  // With the id of another agent's session, this one would kick that session out.
  if (!isClientIdOf(username, clientId)) {
    return {
      returnCode: returnCode.badIdentifier,
      why: "the client id is not the agent's name, a dot and 16 hex digits",
    };
  }
  // A kept session would make the broker store messages for an agent that is away, without a bound.
  if (!clean) return { returnCode: returnCode.notAuthorised, why: "only clean sessions are allowed" };
  if (hasWill) return { returnCode: returnCode.notAuthorised, why: "a will is not allowed" };
  if (keepAliveSeconds < 1 || keepAliveSeconds > keepAliveSecondsMax) {
    return { returnCode: returnCode.notAuthorised, why: `the keep-alive is not within 1 to ${keepAliveSecondsMax} s` };
  }
  return undefined;
}
