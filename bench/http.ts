/**
 * Speed of the HTTP input on its own, without a store: `node bench/http.ts` prints what parsing costs, and what parsing
 * and HTTP cost together, in µs of CPU a reading, beside bare node:http with JSON.parse on the same bodies.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { pino } from "pino";
import { createFormats } from "../agent/inputs/http/admit.ts";
import { startHttp } from "../agent/inputs/http.ts";
import { realEnv } from "../shared/env.ts";
import { type BodyFormat, contentTypes, makeBody, seeded } from "./bodies.ts";
import { type LoadResult, runLoad } from "./load.ts";

/** µs of CPU that `work` takes of this process. */
async function cpuUs(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

/** What parsing costs, in µs of CPU a reading. */
async function parseCost(format: BodyFormat, readingsPerBody: number): Promise<number> {
  const parse = createFormats().byType.get(contentTypes[format]);
  if (parse === undefined) throw new Error(`no parser for ${format}`);
  const random = seeded(1);
  const bodies = Array.from({ length: 50 }, (_, number) => makeBody(format, readingsPerBody, number, random));
  let parsed = 0;
  const round = () => {
    for (const body of bodies) parsed += parse(body.toString("utf8"), "ns", 0).length;
  };
  const rounds = Math.ceil(1_000_000 / (readingsPerBody * bodies.length));
  for (let warm = 0; warm < 2; warm += 1) round();
  parsed = 0;
  const spentUs = await cpuUs(() => {
    for (let index = 0; index < rounds; index += 1) round();
  });
  return spentUs / parsed;
}

export interface HttpCost extends LoadResult {
  /** µs of the server's CPU a reading. */
  readonly cpuUs: number;
}

async function underLoad(port: number, format: BodyFormat, readingsPerBody: number): Promise<HttpCost> {
  const load = { port, format, readingsPerBody, connections: 4 };
  await runLoad({ ...load, bodies: 200 });
  let result: LoadResult | undefined;
  const spentUs = await cpuUs(async () => {
    result = await runLoad({ ...load, bodies: Math.ceil(500_000 / readingsPerBody) });
  });
  if (result === undefined || result.refused > 0) throw new Error("the server refused bodies");
  return { ...result, cpuUs: spentUs / result.accepted };
}

/** The HTTP input with an intake that commits nothing. */
async function inputCost(format: BodyFormat, readingsPerBody: number): Promise<HttpCost> {
  const intake = { append: async () => {}, cursor: () => undefined, cursors: () => new Map<string, string>() };
  const context = { intake, env: realEnv(), log: pino({ level: "silent" }), streams: ["telemetry"] };
  const options = { host: "127.0.0.1", port: 0, stream: "telemetry", bodyBytesMax: 4_000_000 };
  const input = await startHttp(options, context);
  const cost = await underLoad(input.address.port, format, readingsPerBody);
  await input.stop();
  return cost;
}

/** The reference: bare node:http that parses each line of the same NDJSON bodies with JSON.parse, and keeps nothing. */
export async function bareCost(readingsPerBody: number): Promise<HttpCost> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      for (const line of Buffer.concat(chunks).toString("utf8").split("\n")) if (line !== "") JSON.parse(line);
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cost = await underLoad((server.address() as AddressInfo).port, "ndjson", readingsPerBody);
  server.close();
  server.closeAllConnections();
  return cost;
}

if (import.meta.main) {
  const rows: object[] = [];
  for (const readingsPerBody of [1_000, 100]) {
    for (const format of ["ndjson", "lines"] as const) {
      const parseUs = await parseCost(format, readingsPerBody);
      const { cpuUs: allUs, accepted, seconds } = await inputCost(format, readingsPerBody);
      rows.push({ format, readingsPerBody, parseUs, allUs, perSecond: Math.round(accepted / seconds) });
    }
    const { cpuUs: allUs, accepted, seconds } = await bareCost(readingsPerBody);
    rows.push({ format: "bare ndjson", readingsPerBody, allUs, perSecond: Math.round(accepted / seconds) });
  }
  console.table(rows);
}
