/** Makes the table of librdkafka's properties from its own page, which comes with the client's package. */

const typeWords: Readonly<Record<string, string>> = {
  integer: "integer",
  float: "number",
  boolean: "flag",
  "enum value": "words",
  "CSV flags": "text",
  "pattern list": "text",
  string: "text",
  "see dedicated API": "call",
};

/** The text of `gateway/queue/kafka/client/property-table.ts`. */
export function propertyTableOf(page: string): string {
  const lines = new Map<string, string>();
  // A line of the page: name | C/P | range | default | importance | description.
  for (const line of page.split("\n")) {
    const [name = "", users = "", range = "", , , description = "", ...more] = line
      .split("|")
      .map((cell) => cell.trim());
    const type = /\*Type: ([^*]*)\*/.exec(description)?.[1];
    // Of a property that stands on the page twice the first is the one that clients as a whole take.
    if (type === undefined || more.length > 0 || users === "" || lines.has(name)) continue;
    const word = description.startsWith("**DEPRECATED**") ? "old" : typeWords[type];
    if (word === undefined) throw new Error(`librdkafka's ${name} has the unknown type ${type}`);
    const values = word === "words" || range.includes("..") ? ` ${range.replaceAll(" ", "")}` : "";
    lines.set(name, `${name} ${users === "*" ? "CP" : users} ${word}${word === "old" ? "" : values}`);
  }
  if (lines.size < 150) throw new Error(`only ${lines.size} properties were found on librdkafka's page`);
  return [
    "/**",
    " * The properties of librdkafka: name, who uses it (C consumers, P producers), type, and range or words. Generated from",
    " * librdkafka's own CONFIGURATION.md by `npm run reference`; `old` is deprecated, `call` can be set by programs only.",
    " */",
    "export const propertyTable = `",
    ...lines.values(),
    "`;",
    "",
  ].join("\n");
}
