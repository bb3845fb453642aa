/** The kinds of option values that name a place: files, folders, addresses to listen on, URLs. */
import { isIPv4, isIPv6 } from "node:net";
import { resolve } from "node:path";
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

/** The URL of a gateway: `mqtts://host:8883`, or `mqtt://127.0.0.1:1883` on this machine. */
export const mqttUrl: Kind<string> = {
  type: "URL",
  schema: { type: "string", pattern: "^mqtts?://[^/@?#\\s]+/?$", maxLength: 300 },
  parse(text) {
    const remedy = "write mqtts://host:8883, or mqtt://127.0.0.1:1883 for a gateway on this machine";
    const url = text.length <= 300 ? URL.parse(text) : null;
    if (url === null || url.hostname === "") return { why: "it is not a URL", remedy };
    if (url.protocol !== "mqtt:" && url.protocol !== "mqtts:") {
      return { why: `the scheme ${url.protocol}// is not spoken here`, remedy };
    }
    if (url.username !== "" || url.password !== "") {
      return {
        why: "it holds credentials, which logs would show",
        remedy: "use gateway.username and gateway.passwordFile",
      };
    }
    if (!["", "/"].includes(url.pathname) || url.search !== "" || url.hash !== "") {
      return { why: "it holds more than a scheme, a host and a port", remedy };
    }
    if (url.protocol === "mqtt:" && !isLoopback(url.hostname.replace(/^\[|\]$/g, ""))) {
      return {
        why: "plain MQTT would carry the password and the readings in the clear; it is spoken on loopback only",
        remedy: `use mqtts://${url.hostname}:8883 and give the gateway a certificate (mqtt.tls in its configuration)`,
      };
    }
    return { value: `${url.protocol}//${url.host}` };
  },
};

/** True for addresses that cannot leave this machine. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."));
}
