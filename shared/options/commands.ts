/** What the commands `init`, `check` and `run` of both programs do with a configuration. */
import { existsSync, writeFileSync } from "node:fs";
import { codeOf, Fault, messageOf } from "../errors.ts";
import { exitCodes, type Voice } from "../voice.ts";
import type { OptionFault } from "./fault.ts";
import { checkFiles } from "./files.ts";
import { sampleOf } from "./sample.ts";
import type { FileReference } from "./scalar.ts";
import type { Program } from "./table.ts";

/** What loading a configuration gives. */
export type LoadedConfig<C> =
  | { readonly config: C; readonly warnings: readonly OptionFault[]; readonly files: readonly FileReference[] }
  | { readonly faults: readonly OptionFault[] };

/**
 * The config file to use: the one named, else the program's usual file in the working folder, else the one in
 * /etc/holdfast. Undefined where there is none: then the defaults hold.
 */
export function findConfig(program: Program, named: string | undefined): string | undefined {
  return named ?? [program.file, `/etc/holdfast/${program.file}`].find((path) => existsSync(path));
}

/**
 * `init`: writes the sample, `-` to stdout.
 * @throws Fault where the file exists already or cannot be written
 */
export function writeSample(program: Program, path: string, voice: Voice): void {
  const sample = sampleOf(program);
  if (path === "-") {
    voice.say(sample.trimEnd());
    return;
  }
  try {
    // Never over an existing file: somebody may have set a device up with it.
    writeFileSync(path, sample, { flag: "wx" });
  } catch (error) {
    const exists = codeOf(error) === "EEXIST";
    throw new Fault("usage", {
      what: `${path} cannot be written`,
      why: exists ? "it exists already" : messageOf(error),
      remedy: exists ? `name another file, or print the sample with: ${program.command} init -` : "name another file",
      cause: error,
    });
  }
  voice.note(`${path} written; every option in it is explained there.`);
}

/** `check`: says everything that is wrong, files that the configuration names included. Returns the exit code. */
export function checkConfig<C>(loaded: LoadedConfig<C>, path: string | undefined, voice: Voice): number {
  const found = "faults" in loaded ? loaded.faults : [...loaded.warnings, ...checkFiles(loaded.files)];
  voice.optionFaults(found);
  const faults = found.filter(({ severity }) => severity === "fault").length;
  const warnings = found.length - faults;
  voice.say(`${path ?? "the defaults"}: ${counted(faults, "fault")}, ${counted(warnings, "warning")}`);
  return faults === 0 ? exitCodes.ok : exitCodes.config;
}

/** `run` and others: the configuration, or undefined after its faults were said (exit with `exitCodes.config`). */
export function takeConfig<C>(loaded: LoadedConfig<C>, voice: Voice): C | undefined {
  voice.optionFaults("faults" in loaded ? loaded.faults : loaded.warnings);
  return "faults" in loaded ? undefined : loaded.config;
}

function counted(count: number, noun: string): string {
  return `${count === 0 ? "no" : count} ${noun}${count === 1 ? "" : "s"}`;
}
