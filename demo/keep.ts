/** `--keep`: the line goes on running, and a person is told how to use it. */
import type { Voice } from "../shared/voice.ts";
import type { Line } from "./line.ts";
import type { DemoQueue } from "./queue.ts";

type QueueText = ReturnType<DemoQueue["describe"]>;

/** Says how to use the line, and resolves at Ctrl-C once both programs have stopped. The folder stays. */
export async function keepRunning(line: Line, queue: QueueText, voice: Voice): Promise<void> {
  const run = (program: string, rest: string): string => `  npx ${program} ${rest}`;
  const { agent, gateway, ports, folder } = line;
  voice.say(`
The line goes on running. In another terminal, in this folder, send it a reading:

  curl -i http://127.0.0.1:${ports.http}/v1/readings -H 'content-type: application/json' \\
    -d '{"name": "temperature", "unit": "Cel", "value": 21.5}'

and watch it arrive, or ask how things are:

  ${queue.watch}
${run("holdfast-agent", `status --config ${agent.configFile}`)}
${run("holdfast-gateway", `status --config ${gateway.configFile}`)}

The queue lies ${queue.where}, the store in ${line.agentState}.
Press Ctrl-C to end it; ${folder} stays until you remove it.`);
  process.removeAllListeners("SIGINT").removeAllListeners("SIGTERM");
  // Timers alone keep a process alive; a promise that waits for a signal does not.
  const alive = setInterval(() => {}, 60_000);
  await new Promise<void>((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
  });
  clearInterval(alive);
  await Promise.all([agent.stop(), gateway.stop()]);
}
