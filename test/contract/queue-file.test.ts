import { openFileQueue } from "../../gateway/queue/file.ts";
import { fullDisk } from "../fakes/fs-faults.ts";
import { queueOptions, readLines, tempFolder } from "../fakes/queue-folder.ts";
import { queueContract } from "./queue.ts";

const cases = {
  file: {},
  "file, a roll-over after every commit": { segmentBytesMax: 1 },
};

for (const [name, more] of Object.entries(cases)) {
  queueContract(name, (t) => {
    const folder = tempFolder(t);
    let repair = () => {};
    return {
      open: () => openFileQueue(queueOptions(folder, more)),
      lines: () => readLines(folder),
      setFull(full) {
        repair();
        if (full) repair = fullDisk(t);
      },
    };
  });
}
