/** Addresses of gateways, and the rule that secrets and readings leave a machine only over TLS. */
import { Fault } from "./errors.ts";

export interface GatewayAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

/** The ports that IANA assigned to MQTT over TLS and to plain MQTT. */
const portTls = 8883;
const portPlain = 1883;
/** Longest URL that is looked at: URLs also come from other gateways. */
const urlLengthMax = 512;

/** True where `host` can only be this machine. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

/**
 * Reads the URL of a gateway.
 * @throws Fault `config` where it is none, or where it would send secrets in the clear over a network
 */
export function parseGatewayUrl(text: string): GatewayAddress {
  const what = `the gateway URL ${JSON.stringify(text.slice(0, urlLengthMax))} cannot be used`;
  const remedy = "Write mqtts://host or mqtts://host:port.";
  const url = text.length <= urlLengthMax ? URL.parse(text) : null;
  if (url === null) throw new Fault("config", { what, why: "it is not a URL", remedy });
  if (url.protocol !== "mqtts:" && url.protocol !== "mqtt:") {
    throw new Fault("config", { what, why: `its scheme is ${url.protocol}`, remedy });
  }
  // Credentials in a URL would end up in logs and process lists.
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "" || url.pathname.length > 1) {
    throw new Fault("config", { what, why: "it holds more than a host and a port", remedy });
  }
  // For a scheme that it does not know, URL keeps the case of a host and the brackets of an IPv6 address.
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  const tls = url.protocol === "mqtts:";
  const port = url.port === "" ? (tls ? portTls : portPlain) : Number(url.port);
  if (host === "" || port === 0) throw new Fault("config", { what, why: "it names no host or port", remedy });
  if (!tls && !isLoopback(host)) {
    throw new Fault("config", { what, why: "plain MQTT would send the agent's secret in the clear", remedy });
  }
  return { host, port, tls };
}
