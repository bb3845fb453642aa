/** Checks of agent options against each other; pure. */

import { isLoopback } from "../shared/address.ts";
import { checkAdmin, checkKeyPair, checkPorts, fault, warning } from "../shared/options/cross.ts";
import type { CrossFault, ValueOf } from "../shared/options/table.ts";
import type { AgentTable } from "./options.ts";

type Options = ValueOf<AgentTable>;

/** Everything that single options cannot tell. */
export function checkAgentOptions(options: Options): CrossFault[] {
  const { gateway, inputs, admin } = options;
  const listens = [{ path: "admin.listen", listen: admin.listen }];
  if (inputs.http.enabled) listens.unshift({ path: "inputs.http.listen", listen: inputs.http.listen });
  return [
    ...checkStreams(options),
    ...checkStore(options),
    ...checkGateway(gateway),
    ...inputs.tail.flatMap(checkTail),
    ...checkAdmin(admin.listen),
    ...checkPorts(listens),
    ...checkHttp(inputs.http),
  ];
}

function checkStreams({ streams, inputs }: Options): CrossFault[] {
  if (streams.length === 0) {
    return [
      fault("streams", "there is no stream", "every reading belongs to one", "add a stream or remove the option"),
    ];
  }
  const names = streams.map(({ name }) => name);
  // A stream without a name has its own fault, and may be the one that is meant.
  if (names.includes("")) return [];
  const uses = [
    ...(inputs.http.enabled ? [{ path: "inputs.http.stream", stream: inputs.http.stream }] : []),
    ...(inputs.host.enabled ? [{ path: "inputs.host.stream", stream: inputs.host.stream }] : []),
    ...inputs.tail.map(({ stream }, index) => ({ path: `inputs.tail[${index}].stream`, stream })),
  ];
  return uses.flatMap(({ path, stream }) =>
    names.includes(stream)
      ? []
      : [
          fault(
            path,
            `${path} "${stream}" cannot be used`,
            "no stream has that name",
            `write one of ${names.join(", ")}`,
          ),
        ],
  );
}

function checkStore({ store, streams }: Options): CrossFault[] {
  const faults: CrossFault[] = [];
  if (store.ballast * 2 > store.quota) {
    const why = "it takes more than half of store.quota";
    faults.push(
      fault("store.ballast", "store.ballast is too large", why, "make it smaller, 8MB will do, or raise store.quota"),
    );
  }
  for (const [index, { quota }] of streams.entries()) {
    if (quota === undefined || quota <= store.quota) continue;
    const path = `streams[${index}].quota`;
    faults.push(
      warning(path, `${path} has no effect`, "it is larger than store.quota", "lower it or raise store.quota"),
    );
  }
  return faults;
}

function checkGateway(gateway: Options["gateway"]): CrossFault[] {
  const faults = checkKeyPair("gateway.tls", gateway.tls.cert, gateway.tls.key);
  if (gateway.urls.length === 0) {
    faults.push(
      fault("gateway.urls", "there is no gateway", "readings could never leave", "add a URL or remove the option"),
    );
  }
  if (gateway.password !== undefined && gateway.passwordFile !== undefined) {
    faults.push(
      fault("gateway.password", "the password is given twice", "gateway.passwordFile is set too", "keep the file"),
    );
  }
  return faults;
}

function checkTail(tail: Options["inputs"]["tail"][number], index: number): CrossFault[] {
  const path = `inputs.tail[${index}]`;
  const faults: CrossFault[] = [];
  if (tail.files.length === 0) {
    faults.push(
      fault(
        `${path}.files`,
        `${path}.files is empty`,
        "there is nothing to follow",
        "name a file, or remove the input",
      ),
    );
  }
  if (tail.parse === "regex" && tail.pattern === undefined) {
    faults.push(fault(`${path}.parse`, `${path}.pattern is missing`, "parse: regex needs it", "add pattern"));
  }
  if (tail.parse !== "regex" && tail.pattern !== undefined) {
    faults.push(
      warning(`${path}.pattern`, `${path}.pattern has no effect`, `parse is ${tail.parse}`, "write parse: regex"),
    );
  }
  if (tail.parse === "regex" && tail.pattern !== undefined && !/\(\?<[^=!]/.test(tail.pattern)) {
    const remedy = "name the groups that become series, for instance (?<temperature>[-0-9.]+)";
    faults.push(fault(`${path}.pattern`, `${path}.pattern finds nothing`, "it has no named group", remedy));
  }
  return faults;
}

function checkHttp(http: Options["inputs"]["http"]): CrossFault[] {
  if (!http.enabled || isLoopback(http.listen.host)) return [];
  const why = "this input asks for no password";
  return [warning("inputs.http.listen", "everybody on the network can write readings", why, "listen on 127.0.0.1")];
}
