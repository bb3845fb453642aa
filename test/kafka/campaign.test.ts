/** The campaign, short: `node test/kafka/campaign.ts` runs the long one. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runCampaign } from "./campaign-run.ts";
import { clusterMissing } from "./cluster-under-test.ts";

void describe("a campaign of kills", { skip: clusterMissing() ?? false }, () => {
  void it("I5: gateway and broker die again and again under load: no hole, no duplicate, every series in order", async (t) => {
    const result = await runCampaign({ minutes: 0.75, kills: 10, nodes: 1, tell: (text) => t.diagnostic(text) });
    t.diagnostic(JSON.stringify(result.strikes));
    assert.deepEqual(result.findings, [], `all lies in ${result.folder}`);
    assert.ok(result.ok && result.kills >= 10 && result.accepted > 1_000);
    assert.ok(result.queued >= result.accepted);
  });
});
