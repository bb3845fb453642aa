/** Seeded randomness (sfc32): the same seed rolls the same numbers on every machine. */

export interface Dice {
  /** In [0, 1). */
  next(): number;
  /** A whole number in [0, n). */
  below(n: number): number;
  chance(probability: number): boolean;
  between(low: number, high: number): number;
  /** Exponentially distributed: the time to the next event of a Poisson process. */
  wait(mean: number): number;
  pick<T>(list: readonly T[]): T;
  bytes(size: number): Uint8Array;
  /** Dice of their own for a part of the world, so that one part's rolls do not shift another's. */
  split(): Dice;
}

export function seededDice(seed: number): Dice {
  let a = 0x9e3779b9 ^ seed;
  let b = 0x243f6a88 ^ Math.imul(seed, 0x85ebca6b);
  let c = 0xb7e15162 ^ Math.imul(seed, 0xc2b2ae35);
  let counter = 1;

  function bits(): number {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  }

  for (let i = 0; i < 12; i++) bits();
  const next = (): number => bits() / 2 ** 32;
  const dice: Dice = {
    next,
    below: (n) => Math.floor(next() * n),
    chance: (probability) => next() < probability,
    between: (low, high) => low + next() * (high - low),
    wait: (mean) => -Math.log(1 - next()) * mean,
    pick: <T>(list: readonly T[]) => list[Math.floor(next() * list.length)] as T,
    bytes(size) {
      const bytes = new Uint8Array(size);
      for (let i = 0; i < size; i++) bytes[i] = bits() & 0xff;
      return bytes;
    },
    split: () => seededDice(bits()),
  };
  return dice;
}
