/** Waiting for conditions instead of for times. */

export const sleep = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));

type Maybe<T> = T | undefined | null | false;

/**
 * Asks again and again until `holds` gives something other than undefined, null or false; what it throws counts as not yet.
 * @throws an Error that says what was waited for, with the last error, after `withinMs`
 */
export async function until<T>(
  what: string,
  holds: () => Maybe<T> | Promise<Maybe<T>>,
  withinMs = 15_000,
  everyMs = 50,
): Promise<T> {
  const endMs = performance.now() + withinMs;
  let last: unknown;
  for (;;) {
    try {
      const found = await holds();
      if (found !== undefined && found !== null && found !== false) return found;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > endMs) throw new Error(`waited ${withinMs} ms in vain until ${what}`, { cause: last });
    await sleep(everyMs);
  }
}
