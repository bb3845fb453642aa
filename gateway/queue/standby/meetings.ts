/** Which opening of which cluster the journal has compared itself with, and under which of its ids each was opened. */
import type { KafkaQueue } from "../kafka/kafka.ts";
import { bothSides, type Side } from "./ledger.ts";
import type { StandbyJournal } from "./posture.ts";
import { otherCluster } from "./refusals.ts";
import type { SideKeeper } from "./side.ts";

export interface MeetingOptions {
  readonly sides: Readonly<Record<Side, SideKeeper>>;
  readonly groupId: string;
  /** Undefined also where the side was given up. */
  readonly queueOf: (side: Side) => KafkaQueue | undefined;
}

export function openMeetings({ sides, groupId, queueOf }: MeetingOptions) {
  /** Openings of each side with which the journal has compared itself. */
  const met: Record<Side, number> = { primary: 0, standby: 0 };
  /** The journal's id when each side was last told to open. */
  const openedUnder: Partial<Record<Side, string>> = {};

  return {
    /** Begins to open a side; false where it was begun before. */
    start(side: Side, journalId: string): boolean {
      const isNew = sides[side].start();
      if (isNew) openedUnder[side] = journalId;
      return isNew;
    },
    openAnew(side: Side, journalId: string): void {
      openedUnder[side] = journalId;
      sides[side].reopen();
    },
    /** The sides that were opened before the journal had its present id: somebody else may have sent something since. */
    past: (journalId: string): Side[] => bothSides.filter((side) => openedUnder[side] !== journalId),
    isMet: (side: Side): boolean => sides[side].openings() === met[side],
    /** A queue that was opened anew may have lost what the journal knows, or may know more. @throws Fault */
    async meet(journal: StandbyJournal): Promise<void> {
      for (const side of bothSides) {
        const [queue, openings] = [queueOf(side), sides[side].openings()];
        if (queue === undefined || openings === met[side]) continue;
        if (queue.groupId !== groupId) throw otherCluster(side, `it holds the queue of group ${queue.groupId}`);
        await journal.meetQueue();
        met[side] = openings;
      }
    },
  };
}
