/** `node test/kafka/campaign.ts`: kills gateway and brokers under load for minutes, and proves that nothing is lost or doubled. */
import { parseArgs } from "node:util";
import { countText } from "../../shared/human.ts";
import { exitCodes, openVoice } from "../../shared/voice.ts";
import { type CampaignResult, runCampaign } from "./campaign-run.ts";
import { clusterMissing } from "./cluster-under-test.ts";
import { killKinds, pauseKinds } from "./strikes.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "20" },
    kills: { type: "string", default: "100" },
    brokers: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
  },
});
const voice = openVoice();

function show(result: CampaignResult): void {
  const row = (value: number, text: string): [string, string] => [countText(value), text];
  voice.table(
    ["count", "what"],
    [
      ...[...killKinds, ...pauseKinds].map((kind) => row(result.strikes[kind], kind)),
      row(result.kills, "kills in all"),
      row(result.attempted, "readings attempted"),
      row(result.accepted, "accepted: told 204"),
      row(result.queued, "in the topics, as Kafka's console consumer reads them (read_committed)"),
      row(result.namedLost, "named lost"),
      row(result.doubled, "doubled"),
      row(result.holes, "holes"),
      row(result.orderBreaks, "out of the order of their series"),
    ],
  );
  for (const finding of result.findings) voice.say(finding);
  voice.say(
    `${result.ok ? "Nothing was lost, doubled or out of order." : `FAILED; all lies in ${result.folder}.`} (${result.seconds} s)`,
  );
}

async function main(): Promise<number> {
  const missing = clusterMissing();
  const [minutes, kills, nodes] = [values.minutes, values.kills, values.brokers].map(Number) as [
    number,
    number,
    number,
  ];
  if (missing !== undefined || !(minutes > 0) || !(kills >= 1) || (nodes !== 1 && nodes !== 3)) {
    voice.note(missing ?? "--minutes and --kills are numbers above 0, --brokers is 1 or 3");
    return missing === undefined ? exitCodes.usage : exitCodes.unavailable;
  }
  const result = await runCampaign({ minutes, kills, nodes, tell: (text) => voice.note(text) });
  if (values.json) voice.say(JSON.stringify(result));
  else show(result);
  return result.ok ? exitCodes.ok : exitCodes.failed;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
process.exit(await main());
