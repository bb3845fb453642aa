/**
 * Full-jitter back-off (I9): the nth wait is random in [0, min(cap, base · 2ⁿ)), so that a fleet that lost the same
 * gateway does not come back in one wave (source: Brooker, "Exponential Backoff and Jitter", AWS 2015).
 */

export const backoffBaseMs = 1_000;
/** Cap while the other side is merely away. */
export const backoffCapMs = 60_000;
/** Cap where the answer was refused, unauthorised or full: a TLS handshake costs 6 to 8 kB on a metered link. */
export const backoffRefusedCapMs = 3_600_000;

/**
 * The wait before the next try.
 * @param attempt failures in a row so far, from 0
 * @param random a number in [0, 1)
 * @param capMs the longest wait
 * @returns a whole number of ms in [0, capMs]
 */
export function backoffMs(attempt: number, random: number, capMs: number = backoffCapMs): number {
  // 2^31 seconds is beyond every cap; the clamp keeps the power finite for any attempt.
  const ceilingMs = Math.min(capMs, backoffBaseMs * 2 ** Math.min(Math.max(attempt, 0), 31));
  return Math.floor(random * ceilingMs);
}
