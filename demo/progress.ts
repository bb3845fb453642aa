/** What the demo says while it runs: a sentence for each act, and a live line of figures below. */

import { countText } from "../shared/human.ts";
import type { Voice } from "../shared/voice.ts";
import type { Testimony } from "./audit.ts";
import type { Line } from "./line.ts";

const everyMs = 250;

export interface StoryProgress {
  tell(text: string): void;
  end(): void;
}

/** Shows what producers were told, what the queue holds and what waits, until `end`. */
export function openProgress(line: Line, memory: Testimony, queued: () => number, voice: Voice): StoryProgress {
  const startMs = performance.now();
  let live = voice.progress();
  let waiting = "";
  let asking = false;

  async function ask(): Promise<void> {
    asking = true;
    const [agent, gateway] = await Promise.allSettled([line.agent.status(), line.gateway.status()]);
    const agentText =
      agent.status === "fulfilled" ? `${countText(agent.value.pendingReadings)} in the agent` : "agent down";
    const gatewayText =
      gateway.status === "fulfilled" ? `${countText(gateway.value.pendingReadings)} in the gateway` : "gateway down";
    waiting = `waiting: ${agentText}, ${gatewayText}`;
    asking = false;
  }

  const figures = (): string =>
    `  acknowledged ${countText(memory.acknowledged.size)} · in the queue ${countText(queued())} · ${waiting}`;
  const timer = setInterval(() => {
    if (!asking) void ask();
    live.update(figures());
  }, everyMs);
  return {
    tell(text) {
      live.end();
      const seconds = ((performance.now() - startMs) / 1000).toFixed(0).padStart(3);
      voice.note(`${seconds} s  ${text}`);
      live = voice.progress();
    },
    end() {
      clearInterval(timer);
      live.end(figures());
    },
  };
}
