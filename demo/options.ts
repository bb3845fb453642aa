/** The command line of the demo. */
import { parseArgs } from "node:util";
import { Fault } from "../shared/errors.ts";
import { server } from "../shared/options/places.ts";
import type { Sabotage } from "./sabotage.ts";

export const help = `npm run demo [-- options]

Runs a gateway and an agent on this machine, cuts the link between them, kills each of them with SIGKILL, brings them
back, and proves with an audit that every acknowledged reading reached the queue exactly once. It takes about 40 s.

  --kafka HOST:PORT,...  end the line in this Kafka cluster, which must take plain connections: in topics of its own,
                         which are removed once the audit has passed
  --broker               the same as npm run demo:kafka: start a Kafka broker for it, kill that too, and let Kafka's own
                         consumer read the audit; takes about a minute
  --keep                 leave the line running after the audit and say how to use it; Ctrl-C ends it
  --sabotage lose|double spoil the queue before the audit, which must then fail
  --json                 print the result as JSON
  -h, --help             print this
`;

export interface Options {
  readonly keep: boolean;
  readonly json: boolean;
  readonly sabotage: Sabotage | undefined;
  /** Addresses of brokers; undefined where the queue is no cluster, or one that the demo starts. */
  readonly kafka: readonly string[] | undefined;
  readonly broker: boolean;
}

/** @returns undefined where help is asked for. @throws Fault `usage` */
export function optionsOf(args: readonly string[]): Options | undefined {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        keep: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        sabotage: { type: "string" },
        kafka: { type: "string" },
        broker: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) return undefined;
    const { keep, json, sabotage, broker } = values;
    if (sabotage !== undefined && sabotage !== "lose" && sabotage !== "double")
      throw new Error("--sabotage is lose or double");
    if (keep && sabotage !== undefined) throw new Error("--keep and --sabotage do not go together");
    const kafka = values.kafka?.split(",");
    if (kafka !== undefined && broker) throw new Error("--kafka and --broker do not go together");
    for (const address of kafka ?? []) {
      const { why } = server.parse(address, "") as { why?: string };
      if (why !== undefined) throw new Error(`--kafka ${address}: ${why}`);
    }
    return { keep, json, sabotage, kafka, broker };
  } catch (error) {
    throw new Fault("usage", {
      what: "the demo cannot be run like that",
      why: (error as Error).message,
      remedy: "see npm run demo -- --help",
    });
  }
}
