/** The version of this Holdfast. */
import { readFileSync } from "node:fs";

/** As in package.json, for instance `0.1.0`. */
export const version: string = (
  JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string }
).version;
