/**
 * The sample config file, which is the manual: every option with its meaning and its default, commented out, so that
 * the file passes the check as it is and a later version can change a default. Taking away one "#" sets an option.
 */
import {
  type Fields,
  type Plain,
  type Program,
  type Scalar,
  type Section,
  type TableNode,
  variableOf,
} from "./table.ts";

const lineWidth = 110;

/** The text of the sample file. */
export function sampleOf(program: Program): string {
  const example = variableOf(program.prefix, "log.level");
  const head = [
    `Configuration of ${program.command}. As it stands it sets nothing: the values shown are the defaults.`,
    'To set an option, take away the "#" before it. "# " begins an explanation.',
    `Check the file with: ${program.command} check --config ${program.file}`,
    `Environment variables override single options, for instance ${example}=debug.`,
    "Durations have a unit: ms, s, m, h, d. Sizes too: B, kB, MB, GB, TB (decimal), KiB, MiB, GiB, TiB (binary).",
  ];
  return `${[...head.map((line) => `# ${line}`), ...sectionLines(program.table, "")].join("\n")}\n`;
}

function sectionLines(section: Section<Fields>, indent: string): string[] {
  const fields = Object.entries(section.fields);
  return fields.flatMap(([name, node], index) => {
    const before = fields[index - 1]?.[1];
    const apart = before !== undefined && (before.node === "section" || node.node !== "scalar");
    return [...(indent === "" || apart ? [""] : []), ...nodeLines(name, node, indent)];
  });
}

function nodeLines(name: string, node: TableNode, indent: string): string[] {
  if (node.node === "section") {
    return [...comment(node.doc, indent), `${indent}${name}:`, ...sectionLines(node, `${indent}  `)];
  }
  if (node.node === "scalar") return [...comment(scalarDoc(node), indent), `${indent}#${name}: ${shownValue(node)}`];
  if (node.node === "mapping") {
    const lines = Object.entries(node.example).map(([key, value]) => `${indent}#  ${key}: ${yamlText(value)}`);
    return [...comment(`${node.doc} None by default; for example:`, indent), `${indent}#${name}:`, ...lines];
  }
  const items = node.default.length > 0 ? node.default : (node.example ?? []);
  const note = node.default.length > 0 ? node.doc : `${node.doc} None by default; for example:`;
  const fields = node.element.node === "section" ? fieldLines(node.element, indent) : [];
  const lines = items.flatMap((item) => itemLines(item, ""));
  return [...comment(note, indent), ...fields, `${indent}#${name}:`, ...lines.map((line) => `${indent}#  ${line}`)];
}

/** The options of a list's elements, as explanations above the example. */
function fieldLines(section: Section<Fields>, indent: string): string[] {
  return Object.entries(section.fields).flatMap(([name, field]) => {
    const standard = field.node === "scalar" && field.default !== undefined ? ` (${field.default})` : "";
    const doc = field.node === "scalar" ? scalarDoc(field) : field.doc;
    return comment(`- ${name}${standard}: ${doc}`, indent, "  ");
  });
}

function scalarDoc(node: Scalar<unknown>): string {
  return node.absent === undefined ? node.doc : `${node.doc} Without it: ${node.absent}.`;
}

function shownValue(node: Scalar<unknown>): string {
  return yamlText(node.default ?? node.example ?? "");
}

/** Items of a list in block style; maps one field a line, lists inside them in one line. */
function itemLines(item: Plain, indent: string): string[] {
  if (typeof item === "string") return [`${indent}- ${yamlText(item)}`];
  return Object.entries(item as Record<string, Plain>).map(
    ([name, value], index) => `${indent}${index === 0 ? "- " : "  "}${name}: ${inline(value)}`,
  );
}

function inline(value: Plain): string {
  return Array.isArray(value) ? `[${value.map(inline).join(", ")}]` : yamlText(value as string);
}

/** A text as YAML takes it: quoted only where plain text would mean something else. */
function yamlText(text: string): string {
  return /^[\w./][^#,[\]{}]*$/.test(text) && !/:\s|:$/.test(text) ? text : `'${text.replaceAll("'", "''")}'`;
}

/** Wraps an explanation; the lines after the first hang by `hang`. */
function comment(text: string, indent: string, hang = ""): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && indent.length + 2 + line.length + 1 + word.length > lineWidth) {
      lines.push(line);
      line = `${hang}${word}`;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].map((part) => `${indent}# ${part}`);
}
