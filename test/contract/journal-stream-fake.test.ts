import { fakeJournalStream } from "../fakes/journal-stream.ts";
import { journalArchiveContract } from "./journal-archive.ts";
import { journalStreamContract, type StreamSubject } from "./journal-stream.ts";

async function open(bytesMax: number): Promise<StreamSubject> {
  const fake = fakeJournalStream(bytesMax);
  return { ...fake, other: fake, remove: async () => fake.remove() };
}

journalStreamContract("fake", open);
journalArchiveContract("fake", open);
