/** A program with one part that stops at once or never, to be sent real signals. */
import { openLog } from "../../shared/log.ts";
import { run } from "../../shared/run.ts";

const never: boolean = process.argv[2] === "never";
const log = openLog({ program: "lived", level: "info" });
const keep = setInterval(() => {}, 1_000);
const code = await run(async (life) => {
  life.onStop("part", () => (never ? new Promise<void>(() => {}) : clearInterval(keep)));
  process.stdout.write("up\n");
}, log);
process.exit(code);
