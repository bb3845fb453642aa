import { lineTexts } from "../../gateway/queue/lines.ts";
import type { Line } from "../fakes/outcomes.ts";
import { fakeQueue } from "../fakes/queue.ts";
import { queueContract } from "./queue.ts";

queueContract("fake", () => {
  let full = false;
  const fake = fakeQueue({ fault: () => (full ? "full" : undefined) });
  return {
    open: () => fake.open(),
    lines: async () => [...lineTexts(fake.outcomes)].map((text) => JSON.parse(text) as Line),
    setFull: (now) => {
      full = now;
    },
  };
});
