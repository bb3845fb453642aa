/**
 * Power cuts: the state lies on an ext4 image; the process is stopped, the image copied as the device has it at that
 * moment, the process killed, and the copy mounted in place of the original. What was written but not synced is gone.
 */
import assert from "node:assert/strict";
import { mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { sleep, until } from "../../demo/waiting.ts";
import { atEnd } from "../fakes/at-end.ts";
import { assertPassed, layRealLine, testFolder } from "../fakes/real-line.ts";
import { tried } from "./mounts.ts";

const imageBytes = 96 * 1024 * 1024;
const cuts = 3;
const letGoWithinMs = 5_000;

/** A folder on an image that can be swapped for a copy of itself. */
interface Device {
  readonly folder: string;
  /** Copies the image as it is now. */
  copy(): void;
  /** Mounts the latest copy in the place of the original, as soon as the killed process has let go of that. */
  swap(): Promise<void>;
}

/** Text says why there can be none here. */
function mountDevice(t: TestContext, parent: string): Device | string {
  let path = join(parent, "image-0");
  let next = 1;
  const folder = join(parent, "device");
  mkdirSync(folder);
  writeFileSync(path, "");
  truncateSync(path, imageBytes);
  const mount = (): string | undefined => tried("mount", "-o", "loop", path, folder);
  const missing = tried("mkfs.ext4", "-q", "-F", path) ?? mount();
  atEnd(t, () => void tried("umount", "-l", folder));
  if (missing !== undefined) return missing;
  const must = (failed: string | undefined): void => assert.equal(failed, undefined);
  return {
    folder,
    copy() {
      must(tried("cp", "--reflink=auto", "--sparse=always", path, join(parent, `image-${next}`)));
    },
    async swap() {
      // A process that was killed under strace still ends when strace is gone.
      let failed: string | undefined;
      const isFree = (): boolean => (failed = tried("umount", folder)) === undefined;
      await until("nothing holds the device", isFree, letGoWithinMs).catch(() => must(failed));
      rmSync(path);
      path = join(parent, `image-${next++}`);
      must(mount());
    },
  };
}

void describe("power cuts", () => {
  for (const program of ["agent", "gateway"] as const) {
    void it(`I1, I3, I5: the ${program} loses power ${cuts} times; what was acknowledged before is there once`, async (t) => {
      const parent = testFolder(t, "power");
      const device = mountDevice(t, parent);
      if (typeof device === "string") return t.skip(device);
      const trouble = await layRealLine(t, {
        folder: parent,
        ...(program === "agent"
          ? { agent: () => ({ stateFolder: device.folder, streams: [{ name: "telemetry", policy: "reject" }] }) }
          : { gateway: () => ({ stateFolder: device.folder }), queueFolder: join(device.folder, "queue") }),
      });
      const { line } = trouble;
      await line.gateway.start();
      await line.agent.start();
      for (let cut = 0; cut < cuts; cut++) {
        const producers = trouble.produce();
        await trouble.accepted(400);
        await sleep(100 * cut);
        line[program].process().signal("SIGSTOP");
        device.copy();
        // An agent that stands still acknowledges nothing that the copy could lack.
        await line[program].kill();
        await producers.stop();
        await device.swap();
        await line[program].start();
      }
      const producers = trouble.produce();
      await trouble.accepted(200);
      await producers.stop();
      await trouble.drain();
      await trouble.stop();
      const result = await trouble.audit();
      assertPassed(result);
      assert.equal(result.lostSeqs, 0);
    });
  }

  void it("the method has teeth: with an fsync that does nothing, the same cut loses readings", async (t) => {
    const parent = testFolder(t, "power");
    const device = mountDevice(t, parent);
    if (typeof device === "string") return t.skip(device);
    const lie = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"];
    const missing = tried("strace", "-o", "/dev/null", "true");
    if (missing !== undefined) return t.skip(missing);
    const trouble = await layRealLine(t, {
      folder: parent,
      agent: () => ({ stateFolder: device.folder, streams: [{ name: "telemetry", policy: "reject" }] }),
    });
    const { line } = trouble;
    await line.agent.start({ wrapper: [...lie, "-e", "inject=fsync,fdatasync:retval=0"] });
    const producers = trouble.produce();
    await trouble.accepted(1_000);
    device.copy();
    await line.agent.kill();
    await producers.stop();
    await device.swap();
    await line.agent.start();
    await line.gateway.start();
    await trouble.drain();
    await trouble.stop();
    const { counts } = await trouble.audit();
    assert.ok((counts.lost ?? 0) > 100, `${counts.lost} acknowledged readings were lost`);
  });
});
