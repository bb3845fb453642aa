/** Does a piece of work whenever it is asked for; one at a time, and once more where it was asked for meanwhile. */
export function attendant(work: () => Promise<void>) {
  let running: Promise<void> | undefined;
  let isDue = false;
  let isOver = false;

  async function run(): Promise<void> {
    while (isDue && !isOver) {
      isDue = false;
      await work();
    }
  }

  return {
    attend(): void {
      isDue = true;
      running ??= run().finally(() => {
        running = undefined;
      });
    },
    /** Begins nothing any more; resolves once what runs has ended. */
    async end(): Promise<void> {
      isOver = true;
      await running;
    },
  };
}
