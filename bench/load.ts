/**
 * A load generator for the HTTP input, run as a process of its own so that its CPU time is not the agent's:
 *
 *   node bench/load.ts '{"port": 8086, "format": "ndjson", "readingsPerBody": 1000, "connections": 4, "bodies": 2000}'
 *
 * Each connection sends its next body once the last is answered. Bodies are made before the clock starts. It prints a
 * LoadResult as JSON. Raw sockets: a full HTTP client would take as much CPU as the server that is measured.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { type BodyFormat, contentTypes, makeBody, seeded } from "./bodies.ts";

export interface LoadOptions {
  readonly port: number;
  readonly format: BodyFormat;
  readonly readingsPerBody: number;
  readonly connections: number;
  /** Bodies in all. */
  readonly bodies: number;
}

export interface LoadResult {
  /** Readings whose body was answered with 204. */
  readonly accepted: number;
  /** Bodies that were answered with anything else. */
  readonly refused: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Runs the generator in a process of its own. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const script = fileURLToPath(import.meta.url);
  const child = spawn(process.execPath, [script, JSON.stringify(options)], { stdio: ["ignore", "pipe", "inherit"] });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  const [status] = (await once(child, "close")) as [number | null];
  if (status !== 0) throw new Error(`the load generator ended with ${status}`);
  return JSON.parse(Buffer.concat(chunks).toString()) as LoadResult;
}

function makeRequests({ format, readingsPerBody, bodies }: LoadOptions): Buffer[] {
  const random = seeded(1);
  return Array.from({ length: bodies }, (_, number) => {
    const body = makeBody(format, readingsPerBody, number, random);
    const type = contentTypes[format];
    const head = `POST /v1/readings HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n`;
    return Buffer.concat([Buffer.from(head), body]);
  });
}

/** Sends requests of the shared list over one connection until none is left; one answer comes in one chunk here. */
async function drive(port: number, requests: Buffer[], statuses: string[], waitsMs: number[]): Promise<void> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  for (let request = requests.pop(); request !== undefined; request = requests.pop()) {
    const startMs = performance.now();
    socket.write(request);
    const [chunk] = (await once(socket, "data")) as [Buffer];
    waitsMs.push(performance.now() - startMs);
    statuses.push(chunk.toString("latin1", 9, 12));
  }
  socket.destroy();
}

async function main(options: LoadOptions): Promise<void> {
  const requests = makeRequests(options);
  const statuses: string[] = [];
  const waitsMs: number[] = [];
  const startMs = performance.now();
  const drivers = Array.from({ length: options.connections }, () => drive(options.port, requests, statuses, waitsMs));
  await Promise.all(drivers);
  const seconds = (performance.now() - startMs) / 1_000;
  waitsMs.sort((a, b) => a - b);
  const at = (share: number) => waitsMs[Math.floor(waitsMs.length * share)] ?? Number.NaN;
  const committed = statuses.filter((status) => status === "204").length;
  const result: LoadResult = {
    accepted: committed * options.readingsPerBody,
    refused: statuses.length - committed,
    seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
  };
  process.stdout.write(JSON.stringify(result));
}

if (import.meta.main) await main(JSON.parse(process.argv[2] ?? "{}") as LoadOptions);
