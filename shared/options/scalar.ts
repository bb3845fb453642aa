/** Checks one value against its option. */
import { faultAt, type OptionFault, quote } from "./fault.ts";
import type { Given, Place } from "./given.ts";
import type { Kind, Scalar } from "./table.ts";

/** A file that an option names. */
export interface FileReference {
  readonly path: string;
  readonly place: Place;
  readonly file: string;
  readonly secret: boolean;
}

/** What checks leave behind. */
export interface Findings {
  readonly faults: OptionFault[];
  readonly files: FileReference[];
}

/**
 * The value of an option. Where what was given has a fault, the default stands in for it, so that checks of several
 * options together can go on and find theirs.
 */
export function resolveScalar(
  findings: Findings,
  node: Scalar<unknown>,
  path: string,
  at: Given | undefined,
  baseFolder: string,
): unknown {
  if (at !== undefined) {
    const fault = shapeFault(node.kind, path, at);
    if (fault !== undefined) findings.faults.push(fault);
    else if (at.shape === "scalar") {
      const parsed = node.kind.parse(at.text, baseFolder);
      if ("value" in parsed) {
        if (node.kind.file !== undefined) findings.files.push(fileReference(node.kind, path, at.place, parsed.value));
        return parsed.value;
      }
      findings.faults.push(
        faultAt(at.place, path, `${path} ${quote(at.text)} cannot be used`, parsed.why, parsed.remedy),
      );
      // Required options are texts, and a bad name is still better to go on with than none.
      if (node.required) return at.text;
    }
  }
  if (node.default === undefined) return node.required ? "" : undefined;
  const parsed = node.kind.parse(node.default, baseFolder);
  if ("value" in parsed) return parsed.value;
  throw new Error(`the option table has a bad default for ${path}: ${parsed.why}`);
}

/** What is wrong with the shape of what was given; undefined where it is a value of the right sort. */
function shapeFault(kind: Kind<unknown>, path: string, at: Given): OptionFault | undefined {
  if (at.shape === "nothing") {
    return faultAt(
      at.place,
      path,
      `${path} has no value`,
      "nothing stands behind the colon",
      "write a value or remove the line",
    );
  }
  if (at.shape !== "scalar") {
    return faultAt(
      at.place,
      path,
      `${path} cannot be used`,
      "one value is expected here",
      `write one value: ${kind.type}`,
    );
  }
  if (!at.quoted || kind.plain !== true) return undefined;
  const what = `${path} ${quote(at.text)} cannot be used`;
  return faultAt(at.place, path, what, `quotes make it a text, and ${kind.type} is expected`, "remove the quotes");
}

function fileReference(kind: Kind<unknown>, path: string, place: Place, value: unknown): FileReference {
  return { path, place, file: String(value), secret: kind.file === "secret" };
}
