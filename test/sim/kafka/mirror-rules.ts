/** Rules of a standby that a mirror keeps: with any of them off the simulation must find a violation. */
import type { Patch } from "../../mutants/patch.ts";

const folder = "gateway/queue/kafka";

export const mirrorRules: Readonly<Record<string, readonly Patch[]>> = {
  // Nothing is released before it was read on the standby.
  mirrel: [
    {
      file: `${folder}/shard/base-keeper.ts`,
      find: "site.mirror?.holds(found) ?? true;",
      replace: "found.t >= 0;",
    },
  ],
  // Every name counts, not the positions alone, which are copied by themselves.
  mirrornames: [
    {
      file: `${folder}/mirror/shard-mirror.ts`,
      find: "positionsT >= released.t && names.holds(claimsOf(released));",
      replace: "positionsT >= released.t;",
    },
  ],
  // What the standby's brokers could still lose does not count.
  mirrorsettle: [{ file: `${folder}/mirror/mirror.ts`, find: "atMs + settleMs <= nowMs", replace: "atMs <= nowMs" }],
  // On the standby a scan begins at the older of two bases.
  mirrorbases: [{ file: `${folder}/mirror/shard-mirror.ts`, find: "? known.newest : []", replace: "? next : next" }],
};
