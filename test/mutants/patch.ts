/**
 * Source patches: a rule or a limit is changed in the text of a module, so that shipped code needs no switches. The
 * simulator patches modules as they are loaded; who runs other processes patches a copy of the tree.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export interface Patch {
  /** Path from the root of the project. */
  readonly file: string;
  /** Must occur exactly once in the file, or the patch means nothing any more. */
  readonly find: string;
  readonly replace: string;
}

/** The root of this project. */
export const projectRoot = fileURLToPath(new URL("../..", import.meta.url));

/** The text with all patches of its file. @throws Error where a patch does not fit the text exactly once */
export function patched(file: string, text: string, patches: readonly Patch[]): string {
  return patches
    .filter((patch) => patch.file === file)
    .reduce((sum, { find, replace }) => {
      const parts = sum.split(find);
      if (parts.length !== 2) throw new Error(`the patch of ${file} fits ${parts.length - 1} times:\n${find}`);
      return parts.join(replace);
    }, text);
}

/** Patches modules that are imported from here on, in this process only. Fails at once where a patch does not fit. */
export function patchImports(patches: readonly Patch[]): void {
  const urls = new Map<string, string>();
  for (const { file } of patches) {
    patched(file, readFileSync(join(projectRoot, file), "utf8"), patches);
    urls.set(pathToFileURL(join(projectRoot, file)).href, file);
  }
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const file = urls.get(url);
      if (file === undefined || loaded.source == null) return loaded;
      const text =
        typeof loaded.source === "string" ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString();
      return { ...loaded, source: patched(file, text, patches) };
    },
  });
}

export interface PatchedTree {
  readonly root: string;
  remove(): void;
}

/** A copy of the tree with the patches applied; it shares the installed packages with the original. */
export function copyPatched(patches: readonly Patch[]): PatchedTree {
  const root = mkdtempSync(join(tmpdir(), "holdfast-patched-"));
  for (const part of ["agent", "gateway", "shared", "test", "demo", "bin", "package.json", "tsconfig.json"]) {
    cpSync(join(projectRoot, part), join(root, part), { recursive: true });
  }
  symlinkSync(join(projectRoot, "node_modules"), join(root, "node_modules"));
  for (const file of new Set(patches.map((patch) => patch.file))) {
    const path = join(root, file);
    writeFileSync(path, patched(file, readFileSync(path, "utf8"), patches));
  }
  return { root, remove: () => rmSync(root, { recursive: true, force: true }) };
}
