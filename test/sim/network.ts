/**
 * Links between agents and the gateway. They drop, repeat, delay and reorder messages, are cut for hours, and leave
 * half-open sessions behind. Whatever a gateway sends to an agent's name reaches every session of that name, as a topic
 * does: copies of an agent hear each other's answers.
 */
import type { LinkEvents, LinkSession } from "../../agent/uplink/link.ts";
import type { Life } from "./clock.ts";
import { describe } from "./describe.ts";
import type { World } from "./world.ts";

export interface Weather {
  readonly latencyMs: number;
  /** Probabilities per message. */
  readonly drops: number;
  readonly repeats: number;
  readonly slow: number;
  /** Longest delay of a slow message. */
  readonly slowMs: number;
}

/** The way of one device to the gateway. */
export interface Wire {
  readonly agent: string;
  isCut: boolean;
}

/** What a session ends at. */
export interface Station {
  isUp(): boolean;
  receive(agent: string, bytes: Uint8Array): void;
  journal(): { journalId(): string } | undefined;
}

interface Session {
  readonly url: string;
  readonly wire: Wire;
  readonly life: Life;
  readonly events: LinkEvents;
  state: "connecting" | "up" | "ended";
}

export interface Network {
  connect(url: string, wire: Wire, life: Life, events: LinkEvents): LinkSession;
  /** A message of a gateway to an agent's name. */
  toAgent(url: string, agent: string, bytes: Uint8Array): void;
  cut(wire: Wire): void;
  heal(wire: Wire): void;
  /** The id of the journal behind the agents' own gateway; undefined while it is down. */
  journalId(): string | undefined;
  /** A gateway is gone: its sessions end, some of them unnoticed for a while. */
  stationDied(url: string): void;
}

const connectTimeoutMs = 30_000;
const hourMs = 3_600_000;
/** I9: a wait of 0 to 60 s on average takes half a minute; answers in between reset it. */
const connectsPerHourMax = 400;
/** A window of 8 that is answered at once, all hour, would be more; nothing here has that much to say. */
const messagesPerHourMax = 3_000;
/** A dead peer is noticed within twice the keep-alive of a metered link. */
const unnoticedMs = 2_400_000;

export function createNetwork(world: World, weather: Weather, stations: ReadonlyMap<string, Station>): Network {
  const { clock } = world;
  const dice = world.dice.split();
  let sessions: Session[] = [];

  const connects = hourly(world, connectsPerHourMax, "connections");
  const messages = hourly(world, messagesPerHourMax, "messages");

  const latency = (): number => weather.latencyMs * dice.between(0.5, 1.5);

  /** Carries one message: it may be lost, come late, or come twice. */
  function carry(arrive: () => void): void {
    if (world.calm) {
      clock.after(weather.latencyMs, null, arrive);
      return;
    }
    if (dice.chance(weather.drops)) {
      world.count("message dropped");
      return;
    }
    const copies = dice.chance(weather.repeats) ? 2 : 1;
    if (copies === 2) world.count("message repeated");
    for (let i = 0; i < copies; i++) {
      const isSlow = dice.chance(weather.slow);
      if (isSlow) world.count("message delayed");
      clock.after(latency() + (isSlow ? dice.between(0, weather.slowMs) : 0), null, arrive);
    }
  }

  function end(session: Session, afterMs: number, reason: "lost" | "timeout"): void {
    clock.after(afterMs, session.life, () => {
      if (session.state === "ended") return;
      session.state = "ended";
      sessions = sessions.filter((one) => one !== session);
      session.events.down({ reason, text: `the simulated link is ${reason}` });
    });
  }

  /** Ends sessions after a while; until then they are half-open. */
  function breakOff(broken: readonly Session[]): void {
    for (const session of broken) {
      if (session.state === "connecting") continue;
      if (dice.chance(0.5)) end(session, latency(), "lost");
      else {
        world.count("session half-open");
        end(session, dice.between(1_000, unnoticedMs), "timeout");
      }
    }
  }

  return {
    connect(url, wire, life, events) {
      const station = stations.get(url) as Station;
      const session: Session = { url, wire, life, events, state: "connecting" };
      sessions = sessions.filter((one) => one.life.alive);
      sessions.push(session);
      world.count("connect");
      connects.note(wire);
      clock.after(latency(), life, () => {
        if (session.state !== "connecting") return;
        if (wire.isCut || !station.isUp()) {
          if (dice.chance(0.5)) end(session, 0, "lost");
          else end(session, connectTimeoutMs, "timeout");
          return;
        }
        session.state = "up";
        events.up();
      });
      return {
        send(payload) {
          if (session.state === "up") {
            messages.note(wire);
            carry(() => {
              if (wire.isCut || !station.isUp()) return;
              world.trace(() => `${wire.agent} -> ${describe(payload)}`);
              station.receive(wire.agent, payload);
            });
          }
          if (world.calm || dice.chance(0.8)) return Promise.resolve();
          // A slow link has no room for another message for a while.
          return new Promise((resolve) => void clock.after(dice.between(0, 3_000), life, resolve));
        },
        close() {
          session.state = "ended";
          sessions = sessions.filter((one) => one !== session);
        },
      };
    },
    toAgent(url, agent, bytes) {
      for (const session of sessions) {
        if (session.url !== url || session.wire.agent !== agent || session.state !== "up" || session.wire.isCut)
          continue;
        carry(() => {
          if (session.state !== "up" || !session.life.alive || session.wire.isCut) return;
          world.trace(() => `  ${agent} <- ${describe(bytes)}`);
          session.events.message(bytes);
        });
      }
    },
    cut(wire) {
      wire.isCut = true;
      breakOff(sessions.filter((session) => session.wire === wire));
    },
    heal(wire) {
      wire.isCut = false;
    },
    journalId: () => [...stations.values()][0]?.journal()?.journalId(),
    stationDied: (url) => breakOff(sessions.filter((session) => session.url === url)),
  };
}

/** Finds a wire that does something more often than `most` in an hour (I9). */
function hourly(world: World, most: number, what: string): { note(wire: Wire): void } {
  const seen = new Map<Wire, { sinceMs: number; times: number }>();
  return {
    note(wire) {
      const nowMs = world.clock.nowMs();
      const hour = seen.get(wire);
      if (hour === undefined || nowMs - hour.sinceMs > hourMs) seen.set(wire, { sinceMs: nowMs, times: 1 });
      else if (++hour.times === most) world.find("STORM", `${most} ${what} of ${wire.agent} within an hour`);
    },
  };
}
