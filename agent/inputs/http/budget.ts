/** A budget of bytes: takers wait in line until there is room, which is how back-pressure reaches a socket (I8). */

export interface Budget {
  /** Resolves once `bytes`, at most the whole budget, are set aside. First come, first served, so that none starves. */
  take(bytes: number): Promise<void>;
  give(bytes: number): void;
}

/** A budget of `bytesMax` bytes. */
export function createBudget(bytesMax: number): Budget {
  const line: { bytes: number; go: () => void }[] = [];
  let free = bytesMax;
  return {
    take(bytes) {
      if (line.length === 0 && bytes <= free) {
        free -= bytes;
        return Promise.resolve();
      }
      return new Promise((go) => line.push({ bytes, go }));
    },
    give(bytes) {
      free += bytes;
      for (let next = line[0]; next !== undefined && next.bytes <= free; next = line[0]) {
        line.shift();
        free -= next.bytes;
        next.go();
      }
    },
  };
}
