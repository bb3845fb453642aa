/** The tail input under random rotations and kills: whatever happens, each finished line is committed exactly once. */
import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Input, Intake } from "../../agent/inputs/input.ts";
import { startTail } from "../../agent/inputs/tail.ts";
import { realEnv } from "../../shared/env.ts";
import { Fault } from "../../shared/errors.ts";
import type { Reading } from "../../shared/reading.ts";
import { createTestContext, until } from "../fakes/input-context.ts";
import { createFakeIntake } from "../fakes/intake.ts";

interface Line {
  readonly intake: Intake;
  /** True once nothing passes any more. */
  isCut(): boolean;
  /** Cuts the line at once, or in the answer to its next commit. */
  cut(afterCommit: boolean): void;
  /** Ends what waits for an answer. */
  bury(): void;
}

/** Passes requests on until it is cut: then nothing passes, and what waits for an answer never gets one. */
function cuttable(intake: Intake): Line {
  let cutting: "before" | "after" | undefined;
  let bury = () => {};
  const grave = new Promise<never>((_, reject) => {
    bury = () => reject(new Fault("closed", { what: "the process is gone" }));
  });
  grave.catch(() => {});
  return {
    intake: {
      ...intake,
      async append(request) {
        if (cutting === "before") return grave;
        const isLast = cutting === "after";
        if (isLast) cutting = "before";
        await intake.append(request);
        return isLast ? grave : undefined;
      },
    },
    isCut: () => cutting === "before",
    cut(afterCommit) {
      cutting = afterCommit ? "after" : "before";
    },
    bury,
  };
}

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant("write" as const), lines: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("half" as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("rotate" as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("kill" as const), afterCommit: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("wait" as const) }) },
);

/** When the lines of each file were written, in the order in which they were committed. */
function indexesByFile(readings: readonly Reading[], written: readonly string[]): Map<string, number[]> {
  const indexes = new Map<string, number[]>();
  for (const { labels, value } of readings) {
    const file = labels?.file ?? "";
    indexes.set(file, [...(indexes.get(file) ?? []), written.indexOf(String(value))]);
  }
  return indexes;
}

void describe("tail input under kills", () => {
  void it("commits each line exactly once, and those of one file in order (I1)", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const folder = mkdtempSync(join(tmpdir(), "holdfast-kills-"));
        const log = join(folder, "app.log");
        const intake = createFakeIntake();
        const ends: (() => Promise<void>)[] = [];
        const written: string[] = [];
        let halfLine = "";
        let rotations = 0;
        const values = () => intake.readings("log").map(({ value }) => value as string);
        const write = (text: string) => {
          appendFileSync(log, `${text}\n`);
          written.push(halfLine + text);
          halfLine = "";
        };
        const start = () => {
          const line = cuttable(intake);
          const env = realEnv();
          const fast = { ...env, after: (ms: number, action: () => void) => env.after(ms / 500, action) };
          const context = { ...createTestContext(intake, fast), intake: line.intake };
          const options = { name: "app", files: [join(folder, "app.log*")], stream: "log", format: "text" } as const;
          const input: Input = startTail(options, context, { scanMs: 1, releaseMs: 1_000_000 });
          ends.push(async () => {
            line.bury();
            await input.stop();
          });
          return line;
        };

        let line = start();
        for (const [index, action] of steps.entries()) {
          if (action.do === "write") for (let row = 0; row < action.lines; row += 1) write(`${index}.${row}`);
          if (action.do === "half") {
            appendFileSync(log, `half ${index} `);
            halfLine += `half ${index} `;
          }
          if (action.do === "rotate" && written.length > 0) {
            // A writer that rotates finishes its line first.
            if (halfLine !== "") write("");
            renameSync(log, join(folder, `app.log.${(rotations += 1)}`));
            write(`first after ${index}`);
          }
          if (action.do === "kill") {
            line.cut(action.afterCommit);
            if (action.afterCommit) write(`last of ${index}`);
            await until(() => line.isCut());
            line = start();
          }
          if (action.do === "wait") await until(() => values().length >= written.length);
        }
        line.cut(false);
        line = start();
        write("the end");
        await until(() => new Set(values()).size >= new Set(written).size);
        for (const end of ends) await end();
        rmSync(folder, { recursive: true });
        const order = (a: string, b: string) => (a < b ? -1 : 1);
        assert.deepEqual(values().sort(order), [...written].sort(order));
        for (const [file, indexes] of indexesByFile(intake.readings("log"), written)) {
          assert.deepEqual(
            indexes,
            [...indexes].sort((a, b) => a - b),
            file,
          );
        }
      }),
      { numRuns: 25 },
    );
  });
});
