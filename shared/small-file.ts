/** Reads certificates and secrets, which configurations name by their files. */
import { readFileSync, statSync } from "node:fs";
import { codeOf, Fault, type FaultDetail, messageOf } from "./errors.ts";

const fileBytesMax = 256 * 1024;

/**
 * The text of a small file.
 * @param what names what it holds
 * @param advice what differs from the usual
 * @throws Fault `config` naming the file that is missing, unreadable or too large
 */
export function readSmallFile(
  what: string,
  file: string,
  advice: Pick<FaultDetail, "remedy" | "retryable"> = {},
): string {
  try {
    if (statSync(file).size > fileBytesMax) throw new Error(`it is larger than ${fileBytesMax / 1024} KiB`);
    return readFileSync(file, "utf8");
  } catch (error) {
    const isMissing = codeOf(error) === "ENOENT";
    throw new Fault("config", {
      what: `${what} cannot be read`,
      why: isMissing ? `${file} does not exist` : `${file}: ${messageOf(error)}`,
      remedy: "put the file there or correct the configuration",
      ...advice,
      cause: error,
    });
  }
}
