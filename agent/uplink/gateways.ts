/** The gateways of the group, in an order of this agent's own, so that a fleet spreads over them. */
import type { Env } from "../../shared/env.ts";
import { gatewaysMax } from "../../shared/limits.ts";

export interface Gateways {
  /** The address of the nth try; the list goes round. */
  at(turn: number): string;
  /** Adds what a WELCOME names. */
  add(urls: readonly string[]): void;
}

/** @param configured at least one address; these are never left out */
export function openGateways(configured: readonly string[], env: Env): Gateways {
  let urls = [...configured];
  for (let i = urls.length - 1; i > 0; i--) {
    const j = Math.floor(env.random() * (i + 1));
    [urls[i], urls[j]] = [urls[j] as string, urls[i] as string];
  }
  return {
    at: (turn) => urls[turn % urls.length] as string,
    add(more) {
      const added = more.filter((url) => !urls.includes(url));
      urls = [...urls, ...added].slice(0, Math.max(gatewaysMax, configured.length));
    },
  };
}
