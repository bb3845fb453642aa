/** What an agent can repeat at will is counted each time, and told seldom: a hostile one must not fill the log (I8). */
import type { Env } from "../../shared/env.ts";

/** One line per agent and kind in this time. */
const intervalMs = 60_000;
/** Pairs of agent and kind that are kept in mind. */
const pairsMax = 4096;

/** Says whether something of this kind may be told of this agent now. */
export function openSeldom(env: Env): (kind: string, agent: string) => boolean {
  const toldMs = new Map<string, number>();
  return (kind, agent) => {
    const pair = `${agent} ${kind}`;
    const nowMs = env.monoMs();
    if (nowMs - (toldMs.get(pair) ?? Number.NEGATIVE_INFINITY) < intervalMs) return false;
    if (toldMs.size >= pairsMax) toldMs.clear();
    toldMs.set(pair, nowMs);
    return true;
  };
}
