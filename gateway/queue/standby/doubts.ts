/** What the cluster that is not active may have: held back until it tells, or sent to the other one, marked (I5). */
import type { Logger } from "pino";
import type { KafkaQueue } from "../kafka/kafka.ts";
import { byLane, type Held, lacking, seqsIn } from "./held.ts";
import type { Ledger, Side } from "./ledger.ts";
import { beganAnew } from "./refusals.ts";

export interface Division {
  readonly ledger: Ledger;
  readonly era: number;
  /** The side that is not active, and its queue; undefined while it is away. */
  readonly side: Side;
  readonly queue: KafkaQueue | undefined;
  /** True where nobody waits for that cluster. */
  readonly mayRepeat: boolean;
}

const nothing: Held = new Map();

/** @param onMove called in the moment in which something changes: a plan that was made before it is past */
export function openDoubts(log: Logger, onMove: () => void) {
  let held = nothing;
  let doubted = nothing;
  const sizes = () => [seqsIn(held.values()), seqsIn(doubted.values())] as const;

  return {
    held: (): Held => held,
    doubted: (): Held => doubted,
    clear(): void {
      held = nothing;
      doubted = nothing;
    },
    /**
     * What is absent there is freed, and what is there is held until it is released.
     * @throws Fault (retryable) where another era has begun meanwhile
     */
    async divide({ ledger, era, side, queue, mayRepeat }: Division): Promise<void> {
      if (queue !== undefined) {
        const absent = lacking(ledger.reserved(side), (lane) => queue.forwarded(lane));
        if (absent.length > 0) {
          if (!(await ledger.free(era, side, absent))) throw beganAnew();
          log.warn({ side, seqs: seqsIn(absent) }, "what may have been there is not: it goes to the other cluster");
        }
      }
      const reserved = ledger.reserved(side);
      const left = byLane(queue === undefined ? reserved : lacking(reserved, (lane) => queue.released(lane)));
      const [heldBefore, doubtedBefore] = sizes();
      [held, doubted] = mayRepeat ? [nothing, left] : [left, nothing];
      // A plan that marks what is in doubt no longer is still right.
      const [heldNow, doubtedNow] = sizes();
      if (heldNow !== heldBefore || doubtedNow > doubtedBefore) onMove();
    },
  };
}
