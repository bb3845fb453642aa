/**
 * Figures of this machine: CPU, load, memory, disks, network, temperature, uptime. All figures of a sample share one
 * time, a whole multiple of the interval, so that they share one time column in a block.
 */
import { messageOf } from "../../shared/errors.ts";
import type { Reading } from "../../shared/reading.ts";
import type { Figure } from "./host/figures.ts";
import { type HostPaths, hostSources } from "./host/sources.ts";
import type { Input, InputContext } from "./input.ts";

export interface HostOptions {
  readonly everyMs: number;
  readonly stream: string;
}

/** The wait until the next multiple of the interval; a timer that fired a little early does not fire for it again. */
export function untilNextMs(wallMs: number, everyMs: number): number {
  const waitMs = everyMs - (wallMs % everyMs);
  return waitMs < everyMs / 10 ? waitMs + everyMs : waitMs;
}

/** The multiple of the interval that a sample was meant for; its own time where the timer was late or the clock stepped. */
export function sampleTimeUs(wallUs: number, everyMs: number): number {
  const everyUs = everyMs * 1_000;
  const meantUs = Math.round(wallUs / everyUs) * everyUs;
  return Math.abs(wallUs - meantUs) <= everyUs / 10 ? meantUs : wallUs;
}

/** Starts sampling; the first sample comes with the next multiple of the interval. */
export function startHost(
  options: HostOptions,
  context: InputContext,
  paths: HostPaths = { proc: "/proc", sys: "/sys" },
): Input {
  const { intake, env, log } = context;
  const { everyMs, stream } = options;
  const sources = hostSources(paths);
  const missing = new Set<string>();
  const intern = createLabelCache();
  let refusing = false;
  let stopping = false;

  async function look(): Promise<Figure[]> {
    const figures: Figure[] = [];
    for (const source of sources) {
      try {
        figures.push(...(await source.read(env.monoMs())));
        missing.delete(source.name);
      } catch (error) {
        if (missing.has(source.name)) continue;
        missing.add(source.name);
        log.info({ source: source.name, why: messageOf(error) }, "this machine does not tell one of the host figures");
      }
    }
    return figures;
  }

  async function sample(): Promise<void> {
    const timeUs = sampleTimeUs(env.wallUs(), everyMs);
    const readings = (await look()).map(({ name, unit, labels, value }): Reading => {
      const reading = { name, unit, timeUs, stamped: true, value };
      return labels === undefined ? reading : { ...reading, labels: intern(labels) };
    });
    if (readings.length === 0) return;
    try {
      await intake.append({ portions: [{ stream, readings }] });
      refusing = false;
    } catch (error) {
      // Nobody was told that this sample is safe, and the next one is worth more than a queue of old ones.
      if (!refusing && !stopping) log.warn({ why: messageOf(error) }, "host samples are not taken for now");
      refusing = true;
    }
  }

  // The first look only starts the counters: rates need two.
  let running: Promise<void> = look().then(() => {});
  let timer = env.after(untilNextMs(env.wallUs() / 1_000, everyMs), tick);

  function tick(): void {
    // One sample at a time: where a disk hangs, the ticks meanwhile are left out.
    running = running.then(sample).then(() => {
      if (!stopping) timer = env.after(untilNextMs(env.wallUs() / 1_000, everyMs), tick);
    });
  }

  return {
    async stop() {
      stopping = true;
      timer.cancel();
      await running;
    },
  };
}

/** Gives back the same labels for the same content, so that the store can know a series by identity. */
function createLabelCache(): (labels: Record<string, string>) => Record<string, string> {
  const known = new Map<string, Record<string, string>>();
  return (labels) => {
    const key = JSON.stringify(labels);
    const found = known.get(key);
    if (found !== undefined) return found;
    // Interfaces of containers come and go for ever (I8).
    if (known.size >= 1_024) known.clear();
    known.set(key, labels);
    return labels;
  };
}
