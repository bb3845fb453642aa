/** The demo itself: lays the line, plays the story, and audits what stands in the queue. */
import type { Voice } from "../shared/voice.ts";
import { openAudit, passed } from "./audit.ts";
import { keepRunning } from "./keep.ts";
import { type Line, layLine } from "./line.ts";
import { openLink } from "./link.ts";
import { openMemory, readerOf } from "./memory.ts";
import type { Options } from "./options.ts";
import { openProgress } from "./progress.ts";
import type { DemoQueue } from "./queue.ts";
import { type Report, sayReport } from "./report.ts";
import { agentName, logInput, logPathOf, play, type Stage, type Story, streams } from "./story.ts";

/** Returns whether the audit passed. */
export async function runDemo(options: Options, queue: DemoQueue, folder: string, voice: Voice): Promise<boolean> {
  const startMs = performance.now();
  const memory = openMemory();
  const line = await lay(folder, queue);
  const link = await openLink(line.ports.link, line.ports.mqtt);
  await line.gateway.start();
  const follower = queue.follow(line);
  const progress = openProgress(line, memory, () => follower.count(), voice);
  const stage: Stage = {
    line,
    link,
    memory,
    logPath: logPathOf(folder),
    queueServer: queue.server,
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
  // Also where it is kept: Kafka's own consumer ends when nothing comes any more.
  await stopBoth(line);
  const { sabotage } = options;
  if (sabotage !== undefined) voice.note(`Sabotage (${sabotage}): ${await queue.spoil(line, sabotage)}`);
  const audit = openAudit(memory, readerOf([streams.host]));
  await queue.read(line, (text) => audit.take(text));
  const result = audit.end();
  const report: Report = { result, story, tookMs: performance.now() - startMs };
  if (options.json) voice.say(JSON.stringify({ ok: passed(result), ...report }));
  else sayReport(voice, report);
  if (options.keep) {
    await Promise.all([line.gateway.start(), line.agent.start()]);
    await keepRunning(line, queue.describe(line), voice);
  }
  await link.close();
  return passed(result);
}

/** The agent reaches the gateway through the link. */
function lay(folder: string, queue: DemoQueue): Promise<Line> {
  return layLine({
    folder,
    agentName,
    gateway: () => ({ queue: queue.section }),
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
