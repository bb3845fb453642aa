/**
 * Checks the files that a configuration names. The running agent does without this check: it must take readings even
 * while a certificate is missing (I10), and says so when it connects.
 */
import { accessSync, constants, statSync } from "node:fs";
import { codeOf, messageOf } from "../errors.ts";
import type { OptionFault } from "./fault.ts";
import type { FileReference } from "./scalar.ts";

const othersMayRead = 0o044;

/** Every file that is missing or unreadable, and every secret that others may read. */
export function checkFiles(files: readonly FileReference[]): OptionFault[] {
  return files.flatMap((reference) => {
    const found = checkFile(reference);
    return found === undefined ? [] : [found];
  });
}

function checkFile(reference: FileReference): OptionFault | undefined {
  const { path, file, place, secret } = reference;
  try {
    const state = statSync(file);
    if (!state.isFile()) {
      return {
        severity: "fault",
        ...place,
        path,
        what: `${path} cannot be used`,
        why: `${file} is not a file`,
        remedy: "name a file",
      };
    }
    accessSync(file, constants.R_OK);
    if (!secret || (state.mode & othersMayRead) === 0) return undefined;
    const why = `${file} can be read by other users of this machine`;
    return {
      severity: "warning",
      ...place,
      path,
      what: `${path} is not secret`,
      why,
      remedy: `run: chmod 600 ${file}`,
    };
  } catch (error) {
    const missing = codeOf(error) === "ENOENT";
    return {
      // A default that nobody wrote may be missing until the operator gets to it.
      severity: place.source === "" ? "warning" : "fault",
      ...place,
      path,
      what: `${path} cannot be used`,
      why: missing ? `${file} does not exist` : messageOf(error),
      remedy: missing ? "create the file or correct the path" : "give this user the right to read it",
    };
  }
}
