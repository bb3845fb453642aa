/** A journal in a list: what the forwarder needs, fast enough for thousands of histories, and what its owner knows. */
import type { Journal, JournalEntry } from "../../../gateway/journal/journal.ts";
import { laneKey } from "../../../gateway/queue/lane-key.ts";
import type { LanePosition } from "../../../gateway/queue/queue.ts";
import type { Ledger } from "../../../gateway/queue/standby/ledger.ts";
import { lastOf } from "../../../shared/block/block.ts";
import { covers, type Ranges, union } from "../../../shared/ranges.ts";
import { lightLedger } from "../../fakes/light-ledger.ts";

type ForwarderJournal = Pick<Journal, "journalId" | "read" | "onAdded" | "settle" | "cut" | "forgettable" | "forget">;

export interface LightJournal extends ForwarderJournal {
  readonly ledger: Ledger;
  add(entry: Omit<JournalEntry, "id">): void;
  waiting(): number;
  /** What was settled, by lane: what agents have let go of. */
  settled(lane: LanePosition["lane"]): Ranges;
  /** The same of all lanes. */
  positions(): LanePosition[];
  /** Loses everything; agents bring again what was not settled. */
  lose(): void;
}

export function lightJournal(): LightJournal {
  const everything: JournalEntry[] = [];
  let entries: JournalEntry[] = [];
  const settled = new Map<string, Ranges>();
  const positions = new Map<string, LanePosition>();
  const listeners = new Set<() => void>();
  let nextId = 1;
  let journalId = 1;
  const isSettled = ({ lane, block }: Pick<JournalEntry, "lane" | "block">): boolean =>
    covers(settled.get(laneKey(lane)) ?? [], block.first, lastOf(block));

  return {
    journalId: () => `journal-${journalId}`,
    read(_bytesMax, readingsMax, afterId = 0) {
      const found: JournalEntry[] = [];
      let readings = 0;
      for (const entry of entries) {
        if (entry.id <= afterId) continue;
        readings += entry.block.count;
        if (found.length > 0 && readings > readingsMax) break;
        found.push(entry);
      }
      return found;
    },
    onAdded: (listener) => void listeners.add(listener),
    async settle(ids, moved) {
      for (const position of moved) {
        const { lane, forwarded } = position;
        settled.set(laneKey(lane), union(settled.get(laneKey(lane)) ?? [], forwarded));
        positions.set(laneKey(lane), { ...position, forwarded: settled.get(laneKey(lane)) ?? [] });
      }
      const gone = new Set(ids);
      entries = entries.filter((entry) => !(gone.has(entry.id) && isSettled(entry)));
    },
    cut: async () => {},
    forgettable: () => [],
    forget: async () => {},
    add(entry) {
      const taken = { ...entry, id: nextId++ };
      everything.push(taken);
      entries.push(taken);
      for (const listener of listeners) listener();
    },
    waiting: () => entries.length,
    settled: (lane) => settled.get(laneKey(lane)) ?? [],
    positions: () => [...positions.values()],
    ledger: lightLedger(
      () => `journal-${journalId}`,
      (lane) => settled.get(laneKey(lane)) ?? [],
    ),
    lose() {
      journalId++;
      entries = everything.filter((entry) => !isSettled(entry)).map((entry) => ({ ...entry, id: nextId++ }));
      for (const listener of listeners) listener();
    },
  };
}
