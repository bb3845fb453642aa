/**
 * The MQTT client id of a session: agent, a dot, 64 random bits. A broker lets the newer of two sessions with one
 * client id kick the older out, so two clones of one agent would do that to each other without end; and since no agent
 * name holds a dot, no agent can take an id that belongs to another.
 */
import { hex } from "./env.ts";

/** Random bytes in a client id. */
export const clientIdRandomBytes = 8;

export function clientIdOf(agent: string, random: Uint8Array): string {
  return `${agent}.${hex(random)}`;
}

export function isClientIdOf(agent: string, clientId: string): boolean {
  return clientId.startsWith(`${agent}.`) && /^[0-9a-f]{16}$/.test(clientId.slice(agent.length + 1));
}
