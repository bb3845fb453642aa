/** The kinds of option values that name a place: files, folders, addresses to listen on, URLs. */
import { isIPv4, isIPv6 } from "node:net";
import { resolve } from "node:path";
import { isLoopback, parseGatewayUrl } from "../address.ts";
import { Fault, messageOf } from "../errors.ts";
import type { Kind, Parsed } from "./table.ts";

const pathCharactersMax = 1_000;

/** Where a server listens. */
export interface Listen {
  readonly host: string;
  /** 0 lets the system choose a free port. */
  readonly port: number;
}

function path(type: string, file?: "public" | "secret"): Kind<string> {
  return {
    type,
    schema: { type: "string", minLength: 1, maxLength: pathCharactersMax },
    ...(file === undefined ? {} : { file }),
    parse(text, baseFolder) {
      if (text.length === 0 || text.length > pathCharactersMax || text.includes("\0")) {
        return { why: "it is not a path", remedy: `write 1 to ${pathCharactersMax} characters` };
      }
      return { value: resolve(baseFolder, text) };
    },
  };
}

/** A folder, made where it does not exist. Relative paths start from the folder of the config file. */
export const folder: Kind<string> = path("folder");
/** A file that must exist and be readable. */
export const file: Kind<string> = path("file", "public");
/** A file that must exist and that nobody else should be able to read. */
export const secretFile: Kind<string> = path("file", "secret");
/** A path that may hold `*`, `?` and `**`. */
export const glob: Kind<string> = path("path with wildcards");

const listenRemedy = 'write host:port, for instance 127.0.0.1:7380, or "[::1]:7380" in quotes';

/** An address to listen on: an IP address or `localhost`, and a port. */
export const listen: Kind<Listen> = {
  type: "host:port",
  schema: { type: "string", pattern: "^(\\[[0-9a-fA-F:.]+\\]|[0-9.]+|localhost):[0-9]{1,5}$" },
  parse(text): Parsed<Listen> {
    const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
    if (match === null) return { why: "it is not host:port", remedy: listenRemedy };
    const [, six, four, portText] = match;
    const port = Number(portText);
    if (port > 65_535) return { why: "the port is above 65535", remedy: listenRemedy };
    if (six !== undefined ? isIPv6(six) : four === "localhost" || isIPv4(four ?? "")) {
      return { value: { host: six ?? four ?? "", port } };
    }
    return { why: "the host is neither an IP address of this machine nor localhost", remedy: listenRemedy };
  },
};

/** A server on any machine: `name:port`, or `[::1]:port`. */
export const server: Kind<string> = {
  type: "host:port",
  schema: { type: "string", pattern: "^(\\[[0-9a-fA-F:.]+\\]|[a-zA-Z0-9][a-zA-Z0-9._-]*):[0-9]{1,5}$", maxLength: 300 },
  parse(text) {
    const match = /^(?:\[([^\]]+)\]|[a-zA-Z0-9][a-zA-Z0-9._-]{0,252}):(\d{1,5})$/.exec(text);
    const [, six, port] = match ?? [];
    const isRight = match !== null && (six === undefined || isIPv6(six)) && Number(port) > 0 && Number(port) <= 65_535;
    if (isRight) return { value: text };
    return { why: "it is not host:port", remedy: "write host:port, for instance kafka-1.example:9092" };
  },
};

/** The URL of a service that is asked for secrets: HTTPS, or HTTP on this machine. */
export const secretUrl: Kind<string> = {
  type: "URL",
  schema: { type: "string", pattern: "^https?://[^@#\\s]+$", maxLength: 1_000 },
  parse(text) {
    const remedy = "write https://host/path, or http://127.0.0.1:port/path for a service on this machine";
    const url = URL.parse(text);
    if (url === null || text.length > 1_000) return { why: "it is not a URL", remedy };
    if (url.username !== "" || url.password !== "") return { why: "it holds a user or password", remedy };
    const isSafe =
      url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname.replace(/^\[|\]$/g, "")));
    return isSafe ? { value: text } : { why: "secrets would go to it in the clear", remedy };
  },
};

/** The URL of a gateway: `mqtts://host:8883`, or `mqtt://127.0.0.1:1883` on this machine. */
export const mqttUrl: Kind<string> = {
  type: "URL",
  schema: { type: "string", pattern: "^mqtts?://[^/@?#\\s]+/?$", maxLength: 512 },
  parse(text) {
    const remedy = "write mqtts://host:8883, or mqtt://127.0.0.1:1883 for a gateway on this machine";
    try {
      parseGatewayUrl(text);
      return { value: text };
    } catch (error) {
      return { why: (error instanceof Fault && error.why) || messageOf(error), remedy };
    }
  },
};

/** A name made of a host name, `otherwise` where nothing of it can be used: `Pump_17.example.org` gives `pump_17`. */
export function nameOfHost(host: string, otherwise: string): string {
  const name = (host.split(".")[0] ?? "").toLowerCase().replace(/[^a-z0-9_-]/g, "-");
  return name.replace(/^[-_]+/, "").slice(0, 64) || otherwise;
}
