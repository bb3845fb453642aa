/** The JSON Schema of a program's config file, from its table: editors check and complete with it. */
import type { JsonSchema, Program, TableNode } from "./table.ts";

/** The schema of the whole file, draft 2020-12. */
export function schemaOf(program: Program): JsonSchema {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: `Configuration of ${program.command}`,
    ...nodeSchema(program.table),
  };
}

/** The schema as the text of a file; short lists stand in one line, as the formatter of this project wants them. */
export function schemaTextOf(program: Program): string {
  const text = JSON.stringify(schemaOf(program), null, 2);
  return `${text.replace(/\[\s+("[^[\]{}]*")\s+\]/g, (_, items: string) => `[${items.replace(/\s*\n\s*/g, " ")}]`)}\n`;
}

function nodeSchema(node: TableNode): JsonSchema {
  if (node.node === "scalar") {
    const standard = node.default === undefined ? {} : { default: defaultValue(node.kind.schema, node.default) };
    return { description: node.doc, ...node.kind.schema, ...standard };
  }
  if (node.node === "list") {
    // A list whose lines are all commented out reads as nothing, and then its default counts.
    return { description: node.doc, type: ["array", "null"], maxItems: node.countMax, items: nodeSchema(node.element) };
  }
  if (node.node === "mapping") {
    const { doc, schema, countMax } = node;
    return { description: doc, type: ["object", "null"], maxProperties: countMax, additionalProperties: schema };
  }
  const fields = Object.entries(node.fields);
  const required = fields.filter(([, field]) => field.node === "scalar" && field.required).map(([name]) => name);
  return {
    description: node.doc,
    type: required.length === 0 ? ["object", "null"] : "object",
    additionalProperties: false,
    ...(required.length === 0 ? {} : { required }),
    properties: Object.fromEntries(fields.map(([name, field]) => [name, nodeSchema(field)])),
  };
}

/** The default as the file's parser would give it. */
function defaultValue(schema: JsonSchema, text: string): unknown {
  return schema.type === "integer" || schema.type === "boolean" ? JSON.parse(text) : text;
}
