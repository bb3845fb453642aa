/** The reference page and the help of a program's options, from its table. */
import { type Fields, fitsVariable, type Program, pathOf, type TableNode, variableOf } from "./table.ts";

interface Row {
  readonly path: string;
  readonly type: string;
  readonly standard: string;
  readonly variable: string;
  readonly doc: string;
}

/** The reference page as Markdown. */
export function referenceOf(program: Program): string {
  const head = [
    `# Options of ${program.command}`,
    "",
    `The config file is YAML; \`${program.command} init\` writes a sample and \`${program.command} check\` tells every fault`,
    "of a file at once. Environment variables override single options; a list of values is separated by commas.",
    "",
    "Durations have a unit: `ms`, `s`, `m`, `h`, `d`. Sizes too: `B`, `kB`, `MB`, `GB`, `TB` are decimal, `KiB`, `MiB`, `GiB`,",
    "`TiB` binary. Relative paths start from the folder of the config file, or from the working folder where an environment",
    "variable gives them. YAML aliases are not supported.",
    "",
    "This page is generated from the option table of the program.",
  ];
  return `${[...head, ...sectionPage(program, program.table, "")].join("\n")}\n`;
}

function sectionPage(program: Program, node: TableNode, path: string): string[] {
  if (node.node === "scalar" || node.node === "mapping") return [];
  if (node.node === "list") return sectionPage(program, node.element, `${path}[]`);
  const nested = Object.entries(node.fields).flatMap(([name, field]) =>
    sectionPage(program, field, pathOf(path, name)),
  );
  const rows = rowsOf(program, node.fields, path);
  const lines = rows.map(
    ({ path: name, type, standard, variable, doc }) =>
      `| \`${name}\` | ${cell(type)} | ${cell(standard)} | ${variable === "" ? "" : `\`${variable}\``} | ${cell(doc)} |`,
  );
  const table = ["| Option | Type | Default | Environment variable | Meaning |", "|---|---|---|---|---|", ...lines];
  const title = path === "" ? "## Top level" : `## ${path}`;
  return ["", title, "", node.doc, ...(lines.length === 0 ? [] : ["", ...table]), ...nested];
}

function rowsOf(program: Program, fields: Fields, parent: string): Row[] {
  return Object.entries(fields).flatMap(([name, node]) => {
    if (node.node === "section") return [];
    const path = pathOf(parent, name);
    const variable = fitsVariable(node) && !parent.includes("[]") ? variableOf(program.prefix, path) : "";
    return [{ path, type: typeOf(node), standard: defaultOf(node), variable, doc: node.doc }];
  });
}

function typeOf(node: TableNode): string {
  if (node.node === "scalar") return node.kind.type;
  if (node.node === "mapping") return node.names;
  if (node.node === "list")
    return `list of ${node.element.node === "scalar" ? `${node.element.kind.type}s` : "items, see below"}`;
  return "section";
}

function defaultOf(node: TableNode): string {
  if (node.node === "list")
    return node.default.length === 0 ? "none" : `\`${JSON.stringify(node.default).replaceAll('"', "")}\``;
  if (node.node === "mapping") return "none";
  if (node.node !== "scalar") return "";
  if (node.required) return "must be given";
  return node.default === undefined ? (node.absent ?? "") : `\`${node.default}\``;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

/** The options as the help shows them: path, default and meaning. */
export function helpOf(program: Program): string {
  const rows = helpRows(program, program.table, "");
  const width = Math.max(...rows.map(({ path }) => path.length));
  const lines = rows.map(
    ({ path, standard, doc }) => `  ${path.padEnd(width)}  ${doc} [${standard.replaceAll("`", "")}]`,
  );
  const example = variableOf(program.prefix, "log.level");
  const head = `Options of the config file (environment: ${program.prefix}_… with the path in capitals, such as ${example}):`;
  return [head, ...lines].join("\n");
}

function helpRows(program: Program, node: TableNode, path: string): Row[] {
  if (node.node === "scalar" || node.node === "mapping") return [];
  if (node.node === "list") return helpRows(program, node.element, `${path}[]`);
  const own = rowsOf(program, node.fields, path);
  return [
    ...own,
    ...Object.entries(node.fields).flatMap(([name, field]) => helpRows(program, field, pathOf(path, name))),
  ];
}
