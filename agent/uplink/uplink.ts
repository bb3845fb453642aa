/**
 * The uplink's loop: carries out the commands of the pure session machine (state.ts) over a link, and lets the store
 * apply what gateways say. All time, randomness and I/O come from outside, so the simulator runs this very code.
 */

import type { Env, Timer } from "../../shared/env.ts";
import { hex } from "../../shared/env.ts";
import { messageOf } from "../../shared/errors.ts";
import { protocolVersion, type Welcome } from "../../shared/protocol/messages.ts";
import type { Store } from "../store/store.ts";
import { createAnswers } from "./answers.ts";
import { askAgainMs, askEntry, createAsks } from "./asks.ts";
import { openGateways } from "./gateways.ts";
import type { ConnectLink, LinkEvents } from "./link.ts";
import { createSender } from "./sender.ts";
import { createSessionLink } from "./session-link.ts";
import { type Command, type Event, initialState, type Phase, step } from "./state.ts";

export interface UplinkOptions {
  /** Addresses from the configuration; WELCOME adds those of the group. */
  readonly gateways: readonly string[];
  readonly agentVersion: string;
  /** Longest time until WELCOME or an answer to ASK. */
  readonly answerTimeoutMs: number;
  /** Batches in flight at the most; the gateway may ask for fewer. */
  readonly sendWindow: number;
  /** How long a lone small block waits for company before it is sent. */
  readonly lingerMs: number;
  connect(url: string, events: LinkEvents): ReturnType<ConnectLink>;
  priorityOf(stream: string): number;
  /** Something that a person should know; the same text may come again. */
  alarm(text: string): void;
}

export interface UplinkStatus {
  readonly phase: Phase;
  readonly gateway: string | null;
  readonly group: string | null;
  /** Wall time of the last position that was applied, µs; null before the first. */
  readonly lastAckUs: number | null;
  readonly inFlight: number;
  readonly resting: number;
  readonly readingsSent: number;
  /** What went wrong last, and when by the wall clock, µs. */
  readonly problem: { readonly text: string; readonly atUs: number } | null;
  /** Why the gateway does not take this agent, where only a person can help. */
  readonly refusal: string | null;
  /** Time since the group last told a position, or since the start. */
  readonly silentMs: number;
  readonly forks: number;
  readonly malformed: number;
}

export interface Uplink {
  start(): void;
  stop(): void;
  /** The store has something new. */
  appended(): void;
  status(): UplinkStatus;
}

/** Silences in a row after which a gateway counts as gone. */
const patienceMax = 4;
const tickMs = 1_000;

export function createUplink(store: Store, env: Env, options: UplinkOptions): Uplink {
  let state = initialState(store.group());
  const gateways = openGateways(options.gateways, env);
  let retry: Timer | undefined;
  let tick: Timer | undefined;
  let linger: Timer | undefined;
  let resume: Timer | undefined;
  let isSending = false;
  let greetedMs = 0;
  /** When the oldest epochs were last begun with: every unsettled one is asked for hourly, in memory or not. */
  let roundMs = 0;
  let problem: UplinkStatus["problem"] = null;
  /** Why only a person can help; null while the gateway takes this agent. */
  let refusal: string | null = null;
  let heardMs = env.monoMs();
  let malformed = 0;
  const asks = createAsks();
  const sender = createSender(store, env, options.priorityOf);
  const answers = createAnswers(store, env, { sender, asks, alarm, problem: note });
  store.setInFlight(sender.flights.holds);
  const link = createSessionLink(options.connect, {
    up() {
      scheduleTick();
      dispatch({ type: "up", nonce: freshNonce() });
    },
    message: (message) => dispatch({ type: "message", message, nonce: freshNonce(), random: env.random() }),
    malformed(error) {
      malformed++;
      note(`a message from the gateway was refused: ${messageOf(error)}`);
    },
    down({ reason, text }) {
      note(text);
      dispatch({ type: "down", reason, text, random: env.random() });
    },
  });

  const freshNonce = (): string => hex(env.randomBytes(8));

  function note(text: string): void {
    problem = { text, atUs: env.wallUs() };
  }

  function alarm(text: string): void {
    note(text);
    options.alarm(text);
  }

  function dispatch(event: Event): void {
    const next = step(state, event);
    state = next.state;
    for (const command of next.commands) execute(command);
  }

  function execute(command: Command): void {
    switch (command.type) {
      case "connect":
        link.open(gateways.at(command.gateway));
        return;
      case "close":
        link.close();
        isSending = false;
        resume?.cancel();
        tick?.cancel();
        retry?.cancel();
        linger?.cancel();
        linger = undefined;
        return;
      case "hello":
        greetedMs = env.monoMs();
        link.send({
          type: "hello",
          versions: [protocolVersion],
          agentVersion: options.agentVersion,
          nonce: command.nonce,
          storeId: store.storeId,
          groupId: state.groupId,
          open: store.openRecord(),
          lowestUnsettledRun: store.lowestUnsettledRun(),
        });
        return;
      case "wait":
        retry = env.after(command.delayMs, () => dispatch({ type: "retry" }));
        return;
      case "joined":
        refusal = null;
        join(command.welcome, command.newGroup);
        return;
      case "apply":
        heardMs = env.monoMs();
        answers.apply(command.position, windowMax());
        pump();
        return;
      case "refused":
        answers.refused(command.nack);
        pump();
        return;
      case "alarm":
        // The session machine alarms only where it gives a session up that no waiting will mend.
        refusal = command.text;
        alarm(command.text);
        return;
    }
  }

  function join(welcome: Welcome, newGroup: boolean): void {
    if (newGroup) joinGroup(welcome.groupId);
    roundMs = env.monoMs();
    store.loadOldest();
    answers.begin();
    gateways.add(welcome.gateways);
    store.learnTime(welcome.timeUs);
    pump();
  }

  /** A group that could not be noted is not joined: after a restart the agent could join another one (PROTOCOL §7). */
  function joinGroup(groupId: string): void {
    try {
      store.setGroup(groupId);
    } catch (error) {
      state = { ...state, groupId: null };
      dispatch({ type: "silent", random: env.random() });
      throw error;
    }
  }

  function windowMax(): number {
    return Math.max(1, Math.min(options.sendWindow, state.session?.sendWindow ?? 1));
  }

  /** Asks and sends as much as the session allows. */
  function pump(): void {
    const { session, nonce, groupId } = state;
    if (state.phase !== "syncing" || session === null || nonce === null || groupId === null || isSending) return;
    const page = asks.nextPage(store.lanes(), store.isOpen, env.monoMs());
    if (page.length > 0) {
      link.send({ type: "ask", nonce, groupId, entries: page.map((lane) => askEntry(store, lane, session.journalId)) });
    }
    if (answers.isPaused()) return;
    const batch = sender.next(session, nonce, groupId, windowMax(), asks.isReady);
    if (batch === undefined) {
      // Everything in memory has been asked for and sent: epochs that had no place there come next.
      if (page.length === 0 && asks.oldestMs() === null && sender.flights.size() === 0 && store.loadLater()) pump();
      return;
    }
    isSending = true;
    link.send(batch, () => {
      isSending = false;
      sender.taken();
      // Through the environment, which catches what a failing store throws; a promise would end the process with it.
      resume = env.soon(pump);
    });
  }

  function scheduleTick(): void {
    tick?.cancel();
    // A time-out is looked at one turn after its timer fired: a stalled disk delays timers and sockets alike, and the
    // answers that wait in the socket must be read before anything is sent again (I7).
    tick = env.after(tickMs, () => {
      tick = env.soon(() => {
        scheduleTick();
        checkTimeouts();
      });
    });
  }

  function checkTimeouts(): void {
    const nowMs = env.monoMs();
    if (state.phase === "greeting" && nowMs - greetedMs > options.answerTimeoutMs) {
      silent("WELCOME");
      return;
    }
    if (state.phase !== "syncing") return;
    if (nowMs - roundMs >= askAgainMs) {
      roundMs = nowMs;
      store.loadOldest();
    }
    const oldestAskMs = asks.oldestMs();
    const askPatienceMs = Math.max(options.answerTimeoutMs, sender.timeoutMs());
    if (oldestAskMs !== null && nowMs - oldestAskMs > askPatienceMs) {
      silent("an answer to ASK");
      return;
    }
    // What the link has not taken yet is under way, however long that takes.
    if (!isSending) sender.expire();
    if (sender.patience() > 2 ** patienceMax) silent("an answer to BATCH");
    else pump();
  }

  function silent(missing: string): void {
    note(`the gateway is silent: ${missing} did not come`);
    dispatch({ type: "silent", random: env.random() });
  }

  return {
    start: () => dispatch({ type: "start" }),
    stop: () => dispatch({ type: "stop" }),
    appended() {
      sender.appended();
      if (state.phase !== "syncing") return;
      linger ??= env.after(options.lingerMs, () => {
        linger = undefined;
        pump();
      });
    },
    status: () => ({
      phase: state.phase,
      gateway: state.session?.gateway ?? null,
      group: state.groupId,
      lastAckUs: answers.lastAckUs(),
      inFlight: sender.flights.size(),
      resting: sender.flights.resting(),
      readingsSent: sender.readingsSent(),
      problem,
      refusal,
      silentMs: env.monoMs() - heardMs,
      forks: answers.forks(),
      malformed,
    }),
  };
}
