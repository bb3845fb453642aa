import { fakeJournalStream } from "../fakes/journal-stream.ts";
import { journalStreamContract } from "./journal-stream.ts";

journalStreamContract("fake", async (bytesMax) => {
  const fake = fakeJournalStream(bytesMax);
  return { ...fake, other: fake, remove: async () => fake.remove() };
});
