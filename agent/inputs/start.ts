/** Starts the inputs that the configuration asks for, and stops them together. */
import type { AgentConfig, TailInputConfig } from "../config.ts";
import { startHost } from "./host.ts";
import { startHttp } from "./http.ts";
import type { Input, InputContext } from "./input.ts";
import type { LineFormat } from "./tail/readings.ts";
import { startTail } from "./tail.ts";

export interface Inputs extends Input {
  /** Where the HTTP input listens; null where it does not run. */
  readonly httpAddress: string | null;
}

export async function startInputs(config: AgentConfig["inputs"], context: InputContext): Promise<Inputs> {
  const started: Input[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((input) => input.stop()));
  };
  let httpAddress: string | null = null;
  try {
    if (config.http !== null) {
      const http = await startHttp(config.http, context);
      started.push(http);
      httpAddress = `${http.address.host}:${http.address.port}`;
    }
    if (config.host !== null) started.push(startHost(config.host, context));
    for (const tail of config.tails) started.push(startTail({ ...tail, format: formatOf(tail.parse) }, context));
  } catch (error) {
    await stop();
    throw error;
  }
  return { httpAddress, stop };
}

function formatOf(parse: TailInputConfig["parse"]): LineFormat {
  if (parse.kind === "regex") return new RegExp(parse.pattern);
  return parse.kind === "json" ? "json" : "text";
}
