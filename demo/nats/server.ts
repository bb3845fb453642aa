/** The NATS server's program (packaging/nats-server.sh), and what a server of a test cluster is configured with. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export const natsServer =
  process.env.HOLDFAST_NATS_SERVER ?? fileURLToPath(new URL("../../.cache/nats/nats-server", import.meta.url));

/** Why no server can run here, for a test to skip with; undefined where one can. */
export function natsMissing(): string | undefined {
  if (spawnSync(natsServer, ["--version"]).status === 0) return undefined;
  return `there is no NATS server at ${natsServer}: packaging/nats-server.sh brings one`;
}

/** A gateway's login, and that of an operator, who is told what the servers are like. */
export const gatewayUser = { user: "gateway", password: "gateway-password" };
export const systemUser = { user: "system", password: "system-password" };

export interface ServerConfig {
  readonly name: string;
  readonly port: number;
  /** Where it tells whether it is ready. */
  readonly statusPort: number;
  readonly dataFolder: string;
  /** `sync_interval`. */
  readonly sync: string;
  /** Null for a server that stands alone. */
  readonly routes: ServerRoutes | null;
  /** More lines, such as a `tls` section. */
  readonly more: string;
  /** Who may log in; null for users with passwords. */
  readonly accounts: string | null;
}

export interface ServerRoutes {
  readonly port: number;
  /** Where the others are found. */
  readonly to: readonly string[];
  /** True where others are found there only: servers tell each other where they found a third one, and go there directly. */
  readonly areTheOnly: boolean;
}

const service = "$SYS.REQ.SERVER.PING.JSZ";
/**
 * The gateways' account imports the one service of the system account that says how each server writes to its disk, as
 * an operator would set it up; the account BLIND has no such import.
 */
const passwords = `accounts {
  GATEWAYS {
    jetstream: enabled
    users: [
      { user: "${gatewayUser.user}", password: "${gatewayUser.password}" }
    ]
    imports: [{ service: { account: SYS, subject: "${service}" } }]
  }
  BLIND {
    jetstream: enabled
    users: [{ user: "blind", password: "blind-password" }]
  }
  SYS {
    users: [{
      user: "${systemUser.user}", password: "${systemUser.password}"
      permissions: { publish: "${service}", subscribe: "_INBOX.>" }
    }]
    exports: [{ service: "${service}", response_type: stream, accounts: [GATEWAYS] }]
  }
}
system_account: SYS`;

/** Nobody listens here. */
const closedPort = 9;

/** The file of a server. */
export function configText(config: ServerConfig): string {
  const { name, port, statusPort, dataFolder, sync, routes, more, accounts } = config;
  const cluster =
    routes === null
      ? ""
      : `cluster {
  name: "holdfast"
  listen: "127.0.0.1:${routes.port}"
  no_advertise: true
  ${routes.areTheOnly ? `advertise: "127.0.0.1:${closedPort}"` : ""}
  authorization { user: route, password: route-password }
  routes: [${routes.to.map((address) => `"nats://route:route-password@${address}"`).join(", ")}]
}`;
  return `server_name: "${name}"
listen: "127.0.0.1:${port}"
http: "127.0.0.1:${statusPort}"
jetstream {
  store_dir: "${dataFolder}"
  sync_interval: ${sync}
  max_file_store: 4GB
}
${accounts ?? passwords}
${cluster}
${more}
`;
}
