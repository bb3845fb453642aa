/** Why a session ended, read from what MQTT, the socket or TLS said. Pure. */
import { codeOf, messageOf } from "../../shared/errors.ts";
import type { LinkDown } from "./link.ts";

export function lost(text: string): LinkDown {
  return { reason: "lost", text };
}

/** A gateway that does not accept a certificate hangs up after the handshake, without an alert (Node's TLS server). */
export const certificateRefused: LinkDown = {
  reason: "unauthorised",
  text: "the gateway hung up after the TLS handshake: very likely it does not accept this agent's certificate",
};

/** The meaning of a CONNACK that refuses (MQTT 3.1.1 §3.2.2.3). */
export function connackDown(code: number): LinkDown {
  switch (code) {
    case 3:
      return lost("the gateway is unavailable");
    case 4:
      return { reason: "unauthorised", text: "the gateway does not know this agent, or its secret is another" };
    case 5:
      return { reason: "unauthorised", text: "the gateway does not allow this agent to connect" };
    default:
      return { reason: "refused", text: `the gateway refused the connection with MQTT return code ${code}` };
  }
}

/** OpenSSL's words for a certificate that one side does not accept, as verify results and as alerts. */
const certificateCodes = /CERT|VERIFY|UNKNOWN_CA|INVALID_CA|HOSTNAME_MISMATCH|ALTNAME|TOO_WEAK|TOO_SMALL/;

/** The meaning of an error of the socket or of TLS. */
export function socketDown(error: unknown): LinkDown {
  const code = codeOf(error);
  const text = messageOf(error);
  if (certificateCodes.test(code)) {
    // A device without a battery for its clock starts in the past, and then no certificate is valid yet.
    const hint = code === "CERT_NOT_YET_VALID" ? "; is the clock of this machine right?" : "";
    return { reason: "unauthorised", text: `a TLS certificate was not accepted: ${text}${hint}` };
  }
  if (code === "ETIMEDOUT") return { reason: "timeout", text };
  // TLS spoken to a port that does not speak it, or versions without overlap.
  if (code.startsWith("ERR_SSL_") || code === "EPROTO") return { reason: "refused", text: `TLS failed: ${text}` };
  return lost(text);
}
