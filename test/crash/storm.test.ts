/** SIGKILL at moments nobody chose, of both programs and of both at once, while producers and a log file go on. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { growFile } from "../../demo/log-file.ts";
import { sleep } from "../../demo/waiting.ts";
import { assertPassed, layRealLine, testFolder } from "../fakes/real-line.ts";

const rounds = 16;
const lifeMsMax = 1_200;

/** Moments that differ in every run would make a failure hard to repeat; these are scattered and always the same. */
function scattered(round: number): number {
  return ((round * 0.618_033_988_75) % 1) * lifeMsMax;
}

void describe("a storm of SIGKILLs", () => {
  void it("I1, I2, I4, I5: nothing that was acknowledged is lost or doubled, and each line of a file comes once", async (t) => {
    const folder = testFolder(t);
    const path = join(folder, "app.log");
    const trouble = await layRealLine(t, {
      folder,
      agent: ({ http }) => ({
        streams: [
          { name: "telemetry", policy: "reject" },
          { name: "log", policy: "reject" },
        ],
        inputs: {
          http: { listen: `127.0.0.1:${http}` },
          host: { enabled: false },
          tail: [{ name: "app", files: [path], stream: "log" }],
        },
      }),
    });
    const { line, memory } = trouble;
    await line.gateway.start();
    await line.agent.start();
    const producers = trouble.produce();
    const file = growFile({ path, input: "app", agent: "pump-17", stream: "log", everyMs: 50, memory });
    let kills = 0;
    for (let round = 0; round < rounds; round++) {
      const victims = round % 4 === 3 ? [line.agent, line.gateway] : [round % 2 === 0 ? line.agent : line.gateway];
      await sleep(scattered(round));
      for (const victim of victims) {
        const { signal } = await victim.kill();
        assert.equal(signal, "SIGKILL", "it ran until it was killed");
        kills++;
      }
      // Some are killed again before they are up: starts must survive that too.
      for (const victim of victims) {
        if (round % 5 === 4) {
          const early = victim.launch();
          await sleep(scattered(round) / 4);
          await early.kill();
          kills++;
        }
        await victim.start();
      }
    }
    file.stop();
    await producers.stop();
    const acknowledged = memory.acknowledged.size;
    assert.ok(acknowledged > 2_000, `${acknowledged} readings were acknowledged`);
    await trouble.queued("log", file.lines());
    await trouble.drain();
    await trouble.stop();
    const result = await trouble.audit();
    assertPassed(result);
    assert.equal(result.lostSeqs, 0);
    assert.ok(kills >= 16 && result.epochs > 5, `${kills} kills, ${result.epochs} epochs`);
  });
});
