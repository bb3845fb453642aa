/** `holdfast/reader` as another program has it: built, in its node_modules. It needs Node 22.15, for zstd. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { encodeBatch } from "../../gateway/queue/kafka/records/value-batch.ts";
import { agentLane, synced } from "../fakes/agent-lane.ts";
import { readings } from "../fakes/counted-blocks.ts";
import { projectRoot } from "../mutants/patch.ts";

const run = promisify(execFile);

test("another program reads batches with holdfast/reader", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-reader-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const own = join(folder, "node_modules", "holdfast");
  mkdirSync(own, { recursive: true });
  copyFileSync(join(projectRoot, "package.json"), join(own, "package.json"));
  const compiler = join(projectRoot, "node_modules", ".bin", "tsc");
  await run(compiler, ["-p", join(projectRoot, "tsconfig.reader.json"), "--outDir", join(own, "dist")]);
  symlinkSync(join(projectRoot, "node_modules", "cbor-x"), join(folder, "node_modules", "cbor-x"));
  const lane = agentLane();
  const block = readings(lane, 3);
  const value = encodeBatch({ lane: lane.lane, first: 2, last: 3, clock: synced, block });
  writeFileSync(
    join(folder, "program.mjs"),
    `import { readBatch } from "holdfast/reader";
     const value = Buffer.from("${Buffer.from(value).toString("base64")}", "base64");
     console.log(JSON.stringify([...readBatch(value)].map(({ agent, seq, name, value }) => [agent, seq, name, value])));`,
  );
  const { stdout } = await run(process.execPath, [join(folder, "program.mjs")]);
  assert.deepEqual(JSON.parse(stdout), [
    ["pump-1", 2, "level", 2],
    ["pump-1", 3, "level", 3],
  ]);
});
