/** Gateways of a history: processes that are killed, that stall and wake as zombies, and that somebody starts again. */
import type { Env } from "../../../shared/env.ts";
import { Fault, messageOf } from "../../../shared/errors.ts";
import { type Life, newLife } from "../clock.ts";
import { newMachine, processEnv } from "../env.ts";
import { type Ground, secondMs } from "./ground.ts";

export interface Process {
  readonly life: Life;
  readonly name: string;
  readonly env: Env;
  /** Waits about so long; where the process has died meanwhile, for ever. */
  wait(meanMs: number): Promise<void>;
  /** It ends by itself, and somebody starts another one. */
  end(why: string): void;
  /** It ends by what was thrown; what is no Fault is a finding. */
  fail(error: unknown): void;
}

export function startProcess({ dice, clock, say, find }: Ground, name: string, restart: () => void): Process {
  const life = newLife();
  const guard = (action: () => void) => () => {
    try {
      action();
    } catch (error) {
      find("FAILED", String((error as Error).stack));
    }
  };
  const env = processEnv(clock, newMachine(dice.split()), life, dice.split(), guard);
  say(`${name} starts`);

  function end(why: string): void {
    if (!life.alive) return;
    life.alive = false;
    say(`${name} ends: ${why}`);
    clock.after(dice.wait(10 * secondMs), null, restart);
  }

  return {
    life,
    name,
    env,
    wait: (meanMs) => new Promise<void>((resolve) => void clock.after(dice.wait(meanMs), life, resolve)),
    end,
    fail(error) {
      if (!life.alive) return;
      if (!(error instanceof Fault)) find("FAILED", String((error as Error).stack ?? messageOf(error)));
      end(messageOf(error));
    },
  };
}

type Living = Pick<Process, "life">;

/** The faults that strike processes. @param running those that live, the oldest first */
export function processFaults({ dice, clock }: Ground, running: () => readonly Living[], start: () => void) {
  return {
    kill(): boolean {
      const alive = running();
      if (alive.length === 0) return false;
      dice.pick(alive).life.alive = false;
      if (running().length === 0) clock.after(dice.wait(5 * secondMs), null, start);
      return true;
    },
    zombie(): boolean {
      const [one] = running();
      if (one === undefined) return false;
      one.life.stalledUntilMs = clock.nowMs() + dice.wait(dice.pick([5 * secondMs, 90 * secondMs]));
      if (dice.chance(0.7)) clock.after(dice.wait(2 * secondMs), null, start);
      return true;
    },
  };
}
