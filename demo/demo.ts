/**
 * `npm run demo`: the whole line on this machine, broken in every way that a demo can, and an audit that proves that
 * nothing was lost and nothing doubled.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exitCodes, openVoice, type Voice } from "../shared/voice.ts";
import { help, type Options, optionsOf } from "./options.ts";
import { type DemoQueue, fileQueue } from "./queue.ts";
import { runDemo } from "./run.ts";

async function queueOf({ kafka, broker }: Options, voice: Voice): Promise<DemoQueue> {
  if (kafka === undefined && !broker) return fileQueue;
  // Only here, since the first demo must run where Kafka's client is not installed.
  const { openClusterQueue } = await import("./kafka/queue.ts");
  if (kafka !== undefined) return await openClusterQueue(kafka, voice);
  const { startBrokerQueue } = await import("./kafka/own-broker.ts");
  return await startBrokerQueue(voice);
}

async function main(): Promise<number> {
  const voice = openVoice();
  try {
    const options = optionsOf(process.argv.slice(2));
    if (options === undefined) {
      process.stdout.write(help);
      return exitCodes.ok;
    }
    const queue = await queueOf(options, voice);
    const folder = mkdtempSync(join(tmpdir(), "holdfast-demo-"));
    // Registered before anything is started: children are ended by a listener of processes.ts, then the folder goes.
    if (!options.keep) process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
    let hasPassed = false;
    try {
      hasPassed = await runDemo(options, queue, folder, voice);
    } finally {
      await queue.close(hasPassed && !options.keep);
    }
    return hasPassed ? exitCodes.ok : exitCodes.failed;
  } catch (error) {
    return voice.fault(error);
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
process.exit(await main());
