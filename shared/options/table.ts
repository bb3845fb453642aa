/**
 * The option table of a program: one value that feeds the config file, the environment, the help, the JSON Schema, the
 * sample file and the reference page, so that they cannot disagree. This file gives its parts and their types.
 *
 * It is our own and not a schema library's, because those cost the idle agent 8 to 12 MB of memory (measured), and
 * because faults must speak of units and remedies, which a JSON Schema validator does not know.
 */

/** A JSON Schema, draft 2020-12. */
export type JsonSchema = Record<string, unknown>;

/** Why something cannot be used, and what to do. */
export interface Refusal {
  readonly why: string;
  readonly remedy: string;
}

/** What a kind makes of a text: a value, or why it cannot. */
export type Parsed<T> = { readonly value: T } | Refusal;

/** A kind of value: a duration, a size, a name… All are written as one scalar. */
export interface Kind<T> {
  /** Its name on the reference page. */
  readonly type: string;
  readonly schema: JsonSchema;
  /** True where YAML must show plain text without quotes, as for numbers and flags. */
  readonly plain?: boolean;
  /** Says that the text names a file that must exist, and whether others may read it. */
  readonly file?: "public" | "secret";
  /** @param baseFolder the folder that relative paths start from */
  parse(text: string, baseFolder: string): Parsed<T>;
}

export interface Scalar<T> {
  readonly node: "scalar";
  readonly kind: Kind<unknown>;
  readonly doc: string;
  readonly required: boolean;
  /** The default as one writes it in the file; absent where there is none. */
  readonly default?: string;
  /** Without a default: what holds where the option is absent. */
  readonly absent?: string;
  /** Without a default: a value for the sample file. */
  readonly example?: string;
  /** Carries the type only. */
  readonly value?: T;
}

export type Fields = { readonly [name: string]: TableNode };

export interface Section<F extends Fields> {
  readonly node: "section";
  readonly doc: string;
  readonly fields: F;
}

/** Plain data as a config file would hold it: texts, lists and maps. */
export type Plain = string | readonly Plain[] | { readonly [name: string]: Plain };

export interface List<E extends TableNode> {
  readonly node: "list";
  readonly doc: string;
  readonly element: E;
  readonly countMax: number;
  readonly default: readonly Plain[];
  /** For the sample file, where the default is empty. */
  readonly example?: readonly Plain[];
  /** The field of the elements that must differ. */
  readonly unique?: string;
}

/** Options that another program defines: too many to list here, each with a value of its own kind. */
export interface Mapping<T> {
  readonly node: "mapping";
  readonly doc: string;
  /** What the names are, for people: "properties of librdkafka". */
  readonly names: string;
  /** The kind of a name's value, or why that name cannot stand here. */
  readonly kindOf: (name: string) => Kind<unknown> | Refusal;
  /** Of the values. */
  readonly schema: JsonSchema;
  readonly countMax: number;
  /** For the sample file; the default is empty. */
  readonly example: { readonly [name: string]: string };
  /** Carries the type only. */
  readonly value?: T;
}

export type TableNode = Scalar<unknown> | Section<Fields> | List<TableNode> | Mapping<unknown>;

/** The type of the checked values of a table. */
export type ValueOf<N> =
  N extends Scalar<infer T>
    ? T
    : N extends Section<infer F>
      ? { readonly [K in keyof F]: ValueOf<F[K]> }
      : N extends List<infer E>
        ? readonly ValueOf<E>[]
        : N extends Mapping<infer T>
          ? Readonly<Record<string, T>>
          : never;

/** An option with a default, written as in the file. */
export function setting<T>(kind: Kind<T>, defaultText: string, doc: string): Scalar<T> {
  return { node: "scalar", kind, doc, required: false, default: defaultText };
}

/** An option that may be absent; `absent` says what holds then. */
export function optional<T>(kind: Kind<T>, absent: string, example: string, doc: string): Scalar<T | undefined> {
  return { node: "scalar", kind, doc, required: false, absent, example };
}

/** An option that must be given. */
export function required<T>(kind: Kind<T>, example: string, doc: string): Scalar<T> {
  return { node: "scalar", kind, doc, required: true, example };
}

export function section<F extends Fields>(doc: string, fields: F): Section<F> {
  return { node: "section", doc, fields };
}

export function list<E extends TableNode>(
  element: E,
  detail: Omit<List<E>, "node" | "element" | "doc">,
  doc: string,
): List<E> {
  return { node: "list", element, doc, ...detail };
}

/** @param kindOf the kind of a name's value, or why that name cannot stand here */
export function mapping<T>(
  kindOf: (name: string) => Kind<T> | Refusal,
  detail: Omit<Mapping<T>, "node" | "kindOf" | "doc">,
  doc: string,
): Mapping<T> {
  return { node: "mapping", kindOf, doc, ...detail };
}

/** Something that is wrong with several options together. */
export interface CrossFault {
  readonly severity: "fault" | "warning";
  /** Path of the option to point at, for instance `gateway.urls[0]`. */
  readonly path: string;
  readonly what: string;
  readonly why: string;
  readonly remedy: string;
}

/** A program and its options. */
export interface Program<F extends Fields = Fields> {
  /** The command, for instance `holdfast-agent`. */
  readonly command: string;
  /** What the environment variables start with. */
  readonly prefix: string;
  /** The usual name of the config file. */
  readonly file: string;
  readonly table: Section<F>;
  /** Checks options against each other. */
  check(value: ValueOf<Section<F>>): CrossFault[];
}

/** The path of an option inside another. */
export function pathOf(parent: string, name: string): string {
  return parent === "" ? name : `${parent}.${name}`;
}

/** The environment variable of an option: `store.commitInterval` is `HOLDFAST_AGENT_STORE_COMMIT_INTERVAL`. */
export function variableOf(prefix: string, path: string): string {
  const words = path.replace(/([a-z0-9])([A-Z])/g, "$1_$2").replaceAll(".", "_");
  return `${prefix}_${words.toUpperCase()}`;
}

/** True where one environment variable can hold the option: a scalar, or a list of scalars separated by commas. */
export function fitsVariable(node: TableNode): node is Scalar<unknown> | List<Scalar<unknown>> {
  return node.node === "scalar" || (node.node === "list" && node.element.node === "scalar");
}

/** All options that an environment variable can override, with their paths. */
export function* variables(fields: Fields, parent = ""): Generator<{ path: string; node: TableNode }> {
  for (const [name, node] of Object.entries(fields)) {
    const path = pathOf(parent, name);
    if (node.node === "section") yield* variables(node.fields, path);
    else if (fitsVariable(node)) yield { path, node };
  }
}
