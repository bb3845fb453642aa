/** Rules of a queue on two clusters: with any of them off the simulation must find a violation. */
import type { Patch } from "../../mutants/patch.ts";

const folder = "gateway/queue/standby";

export const standbyRules: Readonly<Record<string, readonly Patch[]>> = {
  // What is sent to a cluster is noted before.
  reserve: [
    {
      file: `${folder}/posture.ts`,
      find: "namesOf(outcomes))) return;",
      replace: "namesOf(outcomes.slice(0, 0)))) return;",
    },
  ],
  // What the other cluster may have is not sent to this one.
  hold: [{ file: `${folder}/standby.ts`, find: "posture.held().get(laneKey(lane))?.spans ?? [];", replace: "[];" }],
  // Whoever acts in an older era is refused.
  era: [
    {
      file: `${folder}/posture.ts`,
      find: "if (!eras.isOwn(noted.era)) throw overtaken();",
      replace: "eras.enter(noted.era);",
    },
    {
      file: `${folder}/posture.ts`,
      find: "if (await ledger.reserve(noted.era, noted.active, namesOf(outcomes))) return;",
      replace:
        "await ledger.reserve(ledger.state()?.era ?? 0, ledger.state()?.active ?? noted.active, namesOf(outcomes)); return;",
    },
  ],
  // A ledger is begun with both clusters at hand.
  both: [
    {
      file: `${folder}/begin.ts`,
      find: "if (bothSides.some((side) => side !== given && queues[side] === undefined)) return false;",
      replace: "if (bothSides.every((side) => queues[side] === undefined)) return false;",
    },
  ],
  // And only with queues that were opened since the journal has its id.
  underid: [
    {
      file: `${folder}/posture.ts`,
      find: "meetings.past(journalId()).filter((side) => side !== given);",
      replace: "meetings.past(journalId()).slice(0, 0);",
    },
  ],
  // It begins with all that each cluster has, released or not.
  allnames: [
    {
      file: `${folder}/held.ts`,
      find: "({ lane, spans: forwarded }));",
      replace: "({ lane, spans: beyond(forwarded, (queue as never as Queue).released(lane)) }));",
    },
  ],
  // What the journal knows as forwarded counts, whatever the clusters tell.
  told: [
    {
      file: `${folder}/knowledge.ts`,
      find: "return union(union(own, released(lane)), told(lane));",
      replace: "return union(own, released(lane));",
    },
  ],
  // A cluster that is left is asked anew: what was under way there is fenced first.
  refence: [
    {
      file: `${folder}/posture.ts`,
      find: 'options.onLeave(sides[side].queue()?.releasedPositions() ?? []);\n    meetings.openAnew(side, journal?.journalId() ?? "");',
      replace: "options.onLeave(sides[side].queue()?.releasedPositions() ?? []);",
    },
  ],
  // A plan that was made before something moved is not carried out.
  replan: [
    {
      file: `${folder}/standby.ts`,
      find: "if (generation !== planned) throw beganAnew();",
      replace: "if (generation < planned) throw beganAnew();",
    },
  ],
  // What the other cluster has and could still lose stays held.
  holdyoung: [
    {
      file: `${folder}/doubts.ts`,
      find: "lacking(reserved, (lane) => queue.released(lane)));",
      replace: "lacking(reserved, (lane) => queue.forwarded(lane)));",
    },
  ],
};
