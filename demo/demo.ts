/**
 * `npm run demo`: the whole line on this machine, broken in every way that a demo can, and an audit that proves that
 * nothing was lost and nothing doubled.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Fault } from "../shared/errors.ts";
import { exitCodes, openVoice, type Voice } from "../shared/voice.ts";
import { openAudit, passed } from "./audit.ts";
import { keepRunning } from "./keep.ts";
import { type Line, layLine } from "./line.ts";
import { openLink } from "./link.ts";
import { openMemory, readerOf } from "./memory.ts";
import { openProgress } from "./progress.ts";
import { followQueue, readQueueLines } from "./read-queue.ts";
import { type Report, sayReport } from "./report.ts";
import { type Sabotage, sabotageQueue } from "./sabotage.ts";
import { agentName, logInput, logPathOf, play, type Stage, type Story, streams } from "./story.ts";

const help = `npm run demo [-- options]

Runs a gateway and an agent on this machine, cuts the link between them, kills each of them with SIGKILL, brings them
back, and proves with an audit that every acknowledged reading reached the queue exactly once. It takes about 40 s.

  --keep                 leave the line running after the audit and say how to use it; Ctrl-C ends it
  --sabotage lose|double spoil the queue before the audit, which must then fail
  --json                 print the result as JSON
  -h, --help             print this
`;

interface Options {
  readonly keep: boolean;
  readonly json: boolean;
  readonly sabotage: Sabotage | undefined;
}

function optionsOf(args: readonly string[]): Options | undefined {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        keep: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        sabotage: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) return undefined;
    const { keep, json, sabotage } = values;
    if (sabotage !== undefined && sabotage !== "lose" && sabotage !== "double")
      throw new Error("--sabotage is lose or double");
    if (keep && sabotage !== undefined) throw new Error("--keep and --sabotage do not go together");
    return { keep, json, sabotage };
  } catch (error) {
    throw new Fault("usage", {
      what: "the demo cannot be run like that",
      why: (error as Error).message,
      remedy: "see npm run demo -- --help",
    });
  }
}

async function demo(options: Options, folder: string, voice: Voice): Promise<boolean> {
  const startMs = performance.now();
  const memory = openMemory();
  const line = await lay(folder);
  const link = await openLink(line.ports.link, line.ports.mqtt);
  await line.gateway.start();
  const follower = followQueue(line.queueFolder);
  const progress = openProgress(line, memory, () => follower.count(), voice);
  const stage: Stage = {
    line,
    link,
    memory,
    logPath: logPathOf(folder),
    tell: (text) => progress.tell(text),
    queued: (stream) => follower.count(stream),
  };
  let story: Story;
  try {
    story = await play(stage);
  } finally {
    progress.end();
    await follower.stop();
  }
  if (!options.keep) await stopBoth(line);
  const spoilt = options.sabotage === undefined ? undefined : sabotageQueue(line.queueFolder, options.sabotage);
  if (spoilt !== undefined) voice.note(`Sabotage (${options.sabotage}): ${spoilt}`);
  const audit = openAudit(memory, readerOf([streams.host]));
  await readQueueLines(line.queueFolder, (text) => audit.take(text));
  const result = audit.end();
  const report: Report = { result, story, tookMs: performance.now() - startMs };
  if (options.json) voice.say(JSON.stringify({ ok: passed(result), ...report }));
  else sayReport(voice, report);
  if (options.keep) await keepRunning(line, voice);
  await link.close();
  return passed(result);
}

/** The agent reaches the gateway through the link. Segments are small, so that the audit meets closed ones too. */
function lay(folder: string): Promise<Line> {
  return layLine({
    folder,
    agentName,
    gateway: () => ({ queue: { segmentAge: "5s", segmentBytes: "1MB" } }),
    agent: ({ http, link }, passwordFile) => ({
      gateway: { urls: [`mqtt://127.0.0.1:${link}`], passwordFile },
      streams: Object.values(streams).map((name) => ({ name, policy: "reject" })),
      inputs: {
        http: { listen: `127.0.0.1:${http}`, stream: streams.sent },
        host: { stream: streams.host, every: "1s" },
        tail: [{ name: logInput, files: [logPathOf(folder)], stream: streams.log }],
      },
    }),
  });
}

async function stopBoth(line: Line): Promise<void> {
  const [agent, gateway] = await Promise.all([line.agent.stop(), line.gateway.stop()]);
  if (agent.code !== 0 || gateway.code !== 0) {
    throw new Error(`the agent ended with ${agent.code} and the gateway with ${gateway.code}; see their logs`);
  }
}

async function main(): Promise<number> {
  const voice = openVoice();
  try {
    const options = optionsOf(process.argv.slice(2));
    if (options === undefined) {
      process.stdout.write(help);
      return exitCodes.ok;
    }
    const folder = mkdtempSync(join(tmpdir(), "holdfast-demo-"));
    // Registered before anything is started: children are ended by a listener of processes.ts, then the folder goes.
    if (!options.keep) process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
    return (await demo(options, folder, voice)) ? exitCodes.ok : exitCodes.failed;
  } catch (error) {
    return voice.fault(error);
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
process.exit(await main());
