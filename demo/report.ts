/** The result of the demo, in a short table and a sentence. */
import { countText } from "../shared/human.ts";
import type { Voice } from "../shared/voice.ts";
import { type AuditResult, findingKinds, passed } from "./audit.ts";
import type { Story } from "./story.ts";

export interface Report {
  readonly result: AuditResult;
  readonly story: Story;
  readonly tookMs: number;
}

export function sayReport(voice: Voice, { result, story, tookMs }: Report): void {
  const count = (kind: keyof typeof findingKinds): string => countText(result.counts[kind] ?? 0);
  const row = (value: number, text: string): [string, string] => [countText(value), text];
  voice.say("");
  voice.table(
    ["readings", "what became of them, from what producers were told and what stands in the queue"],
    [
      row(
        result.attempted,
        `attempted, each with an id of its own (${countText(story.logLines)} of them lines of the log file)`,
      ),
      row(result.acknowledged, "acknowledged: told 204, or behind the cursor of the log file"),
      row(result.queued, "in the queue, as they were sent"),
      row(result.queuedUnacknowledged, "of these not acknowledged: the answer got lost, the reading did not"),
      row(result.lostSeqs, "named in loss records"),
      [count("lost"), "acknowledged and lost"],
      [count("doubled"), "doubled"],
      [count("invented"), "never sent, but in the queue"],
      [count("dead letter"), "dead letters"],
      row(result.unwitnessed, "figures of this machine: nobody else saw them, so only their seqs are checked"),
    ],
  );
  voice.say("");
  const { gatewayKills, agentKills, cuts, queueServerKills } = story;
  const killed = [`${gatewayKills} SIGKILLs of the gateway`, `${agentKills} of the agent`];
  if (queueServerKills > 0) killed.push(`${queueServerKills} of the Kafka broker`);
  const done = [`${cuts} cut of the link`, ...killed].join(", ");
  for (const { kind, text } of result.findings) voice.say(`${kind} (${findingKinds[kind]}): ${text}`);
  const verdict = passed(result)
    ? "The audit passed: every acknowledged reading is in the queue exactly once."
    : `The audit FAILED: ${Object.entries(result.counts)
        .map(([kind, found]) => `${found} ${kind}`)
        .join(", ")}.`;
  voice.say(`${verdict} (${done}; ${(tookMs / 1000).toFixed(0)} s)`);
}
