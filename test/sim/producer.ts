/** What hands readings to an agent: requests of random size at random times, each reading with an id as its value. */
import type { RunningIntake } from "../../agent/intake.ts";
import type { Env } from "../../shared/env.ts";
import { Fault, messageOf } from "../../shared/errors.ts";
import { timeUsMax } from "../../shared/limits.ts";
import type { Reading } from "../../shared/reading.ts";
import type { Life } from "./clock.ts";
import type { Device } from "./device.ts";
import type { Dice } from "./dice.ts";
import type { World } from "./world.ts";

const burstGapMs = 10;
const seriesNames = ["flow", "level", "pressure"];

export function startProducer(
  world: World,
  device: Device,
  intake: RunningIntake,
  env: Env,
  dice: Dice,
  life: Life,
): void {
  const { oracle } = world;
  const { streams, requestEveryMs, requestReadingsMax, burstShare, burstMax } = device.options;

  function reading(): Reading {
    const timeUs = Math.min(Math.max(env.wallUs(), 0), timeUsMax);
    return { name: dice.pick(seriesNames), timeUs, stamped: dice.chance(0.5), value: oracle.attempt() };
  }

  function request(): void {
    const chosen = dice.chance(0.2) ? streams : [dice.pick(streams)];
    const portions = chosen.map(({ name }) => ({
      stream: name,
      readings: Array.from({ length: 1 + dice.below(requestReadingsMax) }, reading),
    }));
    const ids = portions.flatMap((portion) => portion.readings.map((one) => one.value as number));
    world.count("reading", ids.length);
    intake.append({ portions, cursors: [{ key: "sim", value: String(ids[0]) }] }).then(
      () => {
        if (life.alive) for (const id of ids) oracle.tell(id, "accepted");
      },
      (error: unknown) => {
        if (!life.alive) return;
        const isExpected = error instanceof Fault && ["full", "closed", "busy"].includes(error.code);
        if (!isExpected) world.find("REFUSED", messageOf(error));
        world.count("request refused");
        for (const id of ids) oracle.tell(id, "refused");
      },
    );
  }

  function loop(): void {
    if (world.calm) return;
    env.after(dice.wait(requestEveryMs), () => {
      if (world.calm) return;
      // Producers come in bursts, some of which make several commits within the time that the uplink waits for company.
      const requests = dice.chance(burstShare) ? 1 + dice.below(burstMax) : 1;
      for (let i = 0; i < requests; i++) env.after(i * burstGapMs, request);
      loop();
    });
  }

  loop();
}
