/** Who may write, where to, and in which format: everything that the head of a request decides. Pure. */
import { Fault } from "../../../shared/errors.ts";
import type { Reading } from "../../../shared/reading.ts";
import { createHeads } from "../formats/heads.ts";
import { parseNdjson, parseReadings } from "../formats/json.ts";
import { createLineParser, type Precision } from "../formats/lines.ts";
import { parseSenml } from "../formats/senml.ts";

/** Parses a body; `nowUs` is the agent's clock. */
export type Parse = (text: string, precision: Precision, nowUs: number) => Reading[];

export interface Formats {
  /** By content type. */
  readonly byType: ReadonlyMap<string, Parse>;
  readonly lines: Parse;
}

/** The formats, with caches that they share. */
export function createFormats(): Formats {
  const heads = createHeads();
  const lines = createLineParser(heads);
  const json: Parse = (text, _precision, nowUs) => parseReadings(text, heads, nowUs);
  const ndjson: Parse = (text, _precision, nowUs) => parseNdjson(text, heads, nowUs);
  const senml: Parse = (text, _precision, nowUs) => parseSenml(text, heads, nowUs);
  const byType = new Map([
    ["application/json", json],
    ["application/x-ndjson", ndjson],
    ["application/ndjson", ndjson],
    ["application/senml+json", senml],
    ["text/plain", lines],
    ["application/vnd.influx", lines],
  ]);
  return { byType, lines };
}

/** The head of a request, as far as it decides. */
export interface RequestHead {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly contentType: string | undefined;
  /** The address at which the connection arrived. */
  readonly localAddress: string;
}

export interface Admitted {
  readonly stream: string;
  readonly parse: Parse;
  readonly precision: Precision;
}

export interface Admission {
  /** The configured address. */
  readonly listenHost: string;
  /** Where readings go that name no stream. */
  readonly stream: string;
  readonly streams: readonly string[];
}

const ownPath = "/v1/readings";
/** The paths of InfluxDB 1 and 2, so that what writes there can write here: always line protocol. */
const influxPaths = ["/write", "/api/v2/write"];
const precisions = new Map<string, Precision>([
  ["ns", "ns"],
  ["n", "ns"],
  ["us", "us"],
  ["u", "us"],
  ["ms", "ms"],
  ["s", "s"],
]);

/** A refusal with its HTTP status. */
export class Refusal extends Fault {
  readonly status: number;

  constructor(status: number, code: "bad-input" | "unauthorised", what: string, remedy: string) {
    super(code, { what, remedy });
    this.status = status;
  }
}

/**
 * Judges the head of a request.
 * @throws Fault, a Refusal where the status does not follow from its code
 */
export function admit(head: RequestHead, admission: Admission, formats: Formats): Admitted {
  checkCaller(head, admission);
  const mark = head.url.indexOf("?");
  const path = mark === -1 ? head.url : head.url.slice(0, mark);
  const isInflux = influxPaths.includes(path);
  if (path !== ownPath && !isInflux) {
    throw new Refusal(404, "bad-input", "there is nothing at this path", `send readings to ${ownPath}`);
  }
  if (head.method !== "POST") {
    throw new Refusal(405, "bad-input", `readings cannot be sent with ${head.method.slice(0, 20)}`, "use POST");
  }
  const query = new URLSearchParams(mark === -1 ? "" : head.url.slice(mark + 1));
  for (const key of query.keys()) {
    // Writers for InfluxDB also send their database, organisation and bucket.
    if (key === "stream" || key === "precision" || isInflux) continue;
    throw badQuery(`the parameter "${key.slice(0, 80)}" is not known`, '"stream" and "precision" are');
  }
  const stream = query.get("stream") ?? admission.stream;
  if (!admission.streams.includes(stream)) {
    throw badQuery(`the stream "${stream.slice(0, 80)}" is not known`, `known are: ${admission.streams.join(", ")}`);
  }
  const precision = precisions.get(query.get("precision") ?? "ns");
  if (precision === undefined) throw badQuery("the precision is not known", "use ns, us, ms or s");
  return { stream, precision, parse: isInflux ? formats.lines : formatOf(head.contentType, formats) };
}

function formatOf(contentType: string | undefined, formats: Formats): Parse {
  const type = (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
  const parse = formats.byType.get(type);
  if (parse !== undefined) return parse;
  throw new Fault("unsupported-type", {
    what: type === "" ? "the content type is missing" : `the content type "${type.slice(0, 80)}" is not known`,
    remedy: `send one of: ${[...formats.byType.keys()].join(", ")}`,
  });
}

function badQuery(what: string, remedy: string): Fault {
  return new Fault("bad-input", { what, remedy });
}

/**
 * Refuses what a web page may have sent: a browser names the page's origin with every POST, and a page whose name was
 * bound anew to this machine (DNS rebinding) still names that foreign host.
 */
function checkCaller(head: RequestHead, admission: Admission): void {
  const host = hostName(head.host ?? "");
  const local = head.localAddress.replace(/^::ffff:/, "");
  const known = ["localhost", "127.0.0.1", "::1", hostName(admission.listenHost), local];
  if (!known.includes(host)) {
    const remedy = `address this agent by localhost or ${local}`;
    throw new Refusal(403, "unauthorised", `the host "${host.slice(0, 80)}" is not this agent`, remedy);
  }
  if (head.origin !== undefined) {
    throw new Refusal(403, "unauthorised", "web pages cannot write here", "send without an Origin header");
  }
}

/** The name or address in a Host header or a configured address, without port and brackets. */
function hostName(host: string): string {
  if (host.startsWith("[")) return host.slice(1, Math.max(1, host.indexOf("]"))).toLowerCase();
  // More than one colon is a bare IPv6 address.
  const colon = host.indexOf(":");
  return (colon !== -1 && colon === host.lastIndexOf(":") ? host.slice(0, colon) : host).toLowerCase();
}
