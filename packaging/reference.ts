/**
 * Writes what is generated from the option tables: sample configurations, reference pages and JSON Schemas; and from
 * librdkafka's own page the table of its properties, where that client is installed.
 * Run it after every change of a table: `node packaging/reference.ts`. A test fails where a file is stale.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { agentProgram } from "../agent/options.ts";
import { gatewayProgram } from "../gateway/options.ts";
import { referenceOf } from "../shared/options/reference.ts";
import { sampleOf } from "../shared/options/sample.ts";
import { schemaTextOf } from "../shared/options/schema.ts";
import { propertyTableOf } from "./librdkafka-properties.ts";

const clientPage = new URL(
  "../node_modules/@confluentinc/kafka-javascript/deps/librdkafka/CONFIGURATION.md",
  import.meta.url,
);

/** Every generated file: its path from the top of the project, and its text. */
export function generatedFiles(): Map<string, string> {
  const files = new Map<string, string>();
  for (const [name, program] of [
    ["agent", agentProgram],
    ["gateway", gatewayProgram],
  ] as const) {
    files.set(`packaging/${name}.yaml`, sampleOf(program));
    files.set(`docs/reference/${name}.md`, referenceOf(program));
    files.set(`docs/reference/${name}.schema.json`, schemaTextOf(program));
  }
  if (existsSync(clientPage)) {
    files.set("gateway/queue/kafka/client/property-table.ts", propertyTableOf(readFileSync(clientPage, "utf8")));
  }
  return files;
}

if (import.meta.main) {
  for (const [path, text] of generatedFiles()) writeFileSync(new URL(`../${path}`, import.meta.url), text);
}
