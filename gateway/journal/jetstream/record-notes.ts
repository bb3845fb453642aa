/**
 * What the record of an epoch tells of others: where its predecessor ended, and which epochs it gave up. Each gateway
 * notes a record when it meets it first; that others have done so already changes nothing.
 */
import type { EpochRecord } from "../../../shared/protocol/messages.ts";
import type { LaneWriter } from "./lane-writer.ts";
import type { LanePage } from "./messages.ts";
import { agentPrefix, laneOf } from "./names.ts";
import type { JournalStream } from "./stream.ts";

/** Records that are kept in mind. */
const notedMax = 4096;

export function openRecordNotes(stream: Pick<JournalStream, "live">, writer: Pick<LaneWriter, "note">, shards: number) {
  const noted = new Set<string>();

  async function noteAll(agent: string, record: EpochRecord): Promise<boolean> {
    const { predecessor, givenUp, storeId, run } = record;
    const { subjects } = await stream.live(agentPrefix(agent, shards));
    const lanes = subjects.flatMap((subject) => laneOf(subject) ?? []);
    const owner = { storeId, run: run - 1 };
    const done: Promise<boolean>[] = [];
    if (predecessor !== null) {
      const { epoch, lastSeqs } = predecessor;
      const streams = new Set([
        ...lanes.filter((lane) => lane.epoch === epoch).map((lane) => lane.stream),
        ...lastSeqs.keys(),
      ]);
      for (const name of streams) {
        const last = lastSeqs.get(name) ?? 0;
        done.push(writer.note({ agent, stream: name, epoch }, owner, (page) => ended(page, last)));
      }
    }
    for (const lane of lanes.filter(({ epoch }) => givenUp.includes(epoch)))
      done.push(writer.note(lane, owner, gaveUp));
    return !(await Promise.all(done)).includes(false);
  }

  return {
    /** Notes what a record says; tried again with the next message where not all of it could be noted. */
    async note(agent: string, record: EpochRecord): Promise<void> {
      if (record.predecessor === null && record.givenUp.length === 0) return;
      const key = `${agent} ${record.epoch}`;
      if (noted.has(key) || !(await noteAll(agent, record))) return;
      if (noted.size >= notedMax) noted.clear();
      noted.add(key);
    },
  };
}

/** A journal that lacks what a store is known to have given out reports it; only an operator may call it lost. */
function ended(page: LanePage, last: number): LanePage {
  // Nothing was given out there, and nothing is known: that needs no message of its own.
  if (last === 0 && page.newest === 0 && page.journaled.length === 0) return page;
  const end = Math.max(page.last ?? 0, last);
  return page.last === end ? page : { ...page, last: end };
}

function gaveUp(page: LanePage): LanePage {
  return page.givenUp ? page : { ...page, givenUp: true, gone: [], lost: [] };
}
