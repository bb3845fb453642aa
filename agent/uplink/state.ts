/**
 * The uplink's session as a pure, total state machine: (state, event) → state and commands. SPEC.md maps its rules to
 * the protocol. What is pending and what a POSITION means for it is the store's and judge's business; here it is decided
 * when to connect, greet, ask, pump and wait.
 */
import { backoffCapMs, backoffMs, backoffRefusedCapMs } from "../../shared/backoff.ts";
import type { DownMessage, Nack, Position, Welcome } from "../../shared/protocol/messages.ts";
import type { LinkDownReason } from "./link.ts";

export type Phase = "stopped" | "waiting" | "connecting" | "greeting" | "syncing";

export interface State {
  readonly phase: Phase;
  /** Failures in a row; each makes the next wait longer, a position resets it. */
  readonly attempt: number;
  /** Which gateway of the list is next. */
  readonly gateway: number;
  /** The session's nonce; null outside a session. */
  readonly nonce: string | null;
  /** The group this agent belongs to. */
  readonly groupId: string | null;
  /** What WELCOME said; null before it. */
  readonly session: Session | null;
}

export interface Session {
  readonly gateway: string;
  readonly journalId: string;
  readonly batchBytesMax: number;
  readonly sendWindow: number;
  readonly codecs: readonly number[];
}

export type Event =
  | { readonly type: "start" }
  | { readonly type: "stop" }
  | { readonly type: "retry" }
  /** `nonce` is fresh: the session that begins is named by it. */
  | { readonly type: "up"; readonly nonce: string }
  | { readonly type: "down"; readonly reason: LinkDownReason; readonly text: string; readonly random: number }
  /** WELCOME did not come in time, or the gateway stopped answering. */
  | { readonly type: "silent"; readonly random: number }
  /** `nonce` is fresh, in case the message makes the agent greet again. */
  | { readonly type: "message"; readonly message: DownMessage; readonly nonce: string; readonly random: number };

export type Command =
  | { readonly type: "connect"; readonly gateway: number }
  | { readonly type: "close" }
  | { readonly type: "hello"; readonly nonce: string }
  | { readonly type: "wait"; readonly delayMs: number }
  | { readonly type: "joined"; readonly welcome: Welcome; readonly newGroup: boolean }
  | { readonly type: "apply"; readonly position: Position }
  | { readonly type: "refused"; readonly nack: Nack }
  | { readonly type: "alarm"; readonly text: string };

export interface Step {
  readonly state: State;
  readonly commands: readonly Command[];
}

export function initialState(groupId: string | null): State {
  return { phase: "stopped", attempt: 0, gateway: 0, nonce: null, groupId, session: null };
}

const stay = (state: State): Step => ({ state, commands: [] });

/** Gives the session up and waits, longer where only a person can help (I9). */
function retreat(state: State, random: number, refused: boolean, alarm?: string): Step {
  const delayMs = backoffMs(state.attempt, random, refused ? backoffRefusedCapMs : backoffCapMs);
  const commands: Command[] = [{ type: "close" }, { type: "wait", delayMs }];
  if (alarm !== undefined) commands.push({ type: "alarm", text: alarm });
  return {
    state: {
      ...state,
      phase: "waiting",
      attempt: state.attempt + 1,
      gateway: state.gateway + 1,
      nonce: null,
      session: null,
    },
    commands,
  };
}

function onDown(state: State, event: Event & { type: "down" }): Step {
  const refused = event.reason === "refused" || event.reason === "unauthorised";
  return retreat(state, event.random, refused, refused ? event.text : undefined);
}

function onWelcome(state: State, welcome: Welcome, random: number): Step {
  if (state.groupId !== null && state.groupId !== welcome.groupId) {
    return retreat(state, random, true, `the gateway ${welcome.gateway} belongs to another group: it was ignored`);
  }
  const { gateway, journalId, batchBytesMax, sendWindow, codecs } = welcome;
  return {
    state: {
      ...state,
      phase: "syncing",
      groupId: welcome.groupId,
      session: { gateway, journalId, batchBytesMax, sendWindow, codecs },
    },
    commands: [{ type: "joined", welcome, newGroup: state.groupId === null }],
  };
}

function onNack(state: State, nack: Nack, random: number): Step {
  switch (nack.reason) {
    case "other-group":
      return retreat(state, random, true, "the gateway belongs to another group");
    case "unauthorised":
      return retreat(state, random, true, "the gateway does not accept this agent");
    case "unsupported":
      if (nack.first === null) return retreat(state, random, true, "the gateway speaks another protocol version");
      return { state, commands: [{ type: "refused", nack }] };
    default:
      return { state, commands: [{ type: "refused", nack }] };
  }
}

/** A message counts only with the nonce of the session: answers to an earlier one may still be under way. */
function onMessage(state: State, event: Event & { type: "message" }): Step {
  const { message, random } = event;
  if (message.nonce !== state.nonce) return stay(state);
  switch (message.type) {
    case "welcome":
      // A repeated WELCOME of the same session says nothing new; another journal id is a journal that went back.
      if (state.session !== null && state.session.journalId === message.journalId) return stay(state);
      return onWelcome(state, message, random);
    case "nack":
      return onNack(state, message, random);
    case "position": {
      if (state.session === null || message.groupId !== state.groupId) return stay(state);
      if (message.journalId !== state.session.journalId) return onOtherJournal(state, event.nonce, random);
      return { state: { ...state, attempt: 0 }, commands: [{ type: "apply", position: message }] };
    }
  }
}

/**
 * The journal may have gone back: the agent greets again. Where that happens twice without a position in between, two
 * journals answer under one address, and greeting at once would go round as fast as the link allows (I9).
 */
function onOtherJournal(state: State, nonce: string, random: number): Step {
  if (state.attempt > 0) return retreat(state, random, false, "two journals answer under one address");
  return greet({ ...state, session: null, attempt: state.attempt + 1 }, nonce);
}

function greet(state: State, nonce: string): Step {
  return { state: { ...state, phase: "greeting", nonce }, commands: [{ type: "hello", nonce }] };
}

const stop = (state: State): Step => ({
  state: { ...state, phase: "stopped", nonce: null, session: null },
  commands: [{ type: "close" }],
});

const silent = (state: State, event: Event & { type: "silent" }): Step => retreat(state, event.random, false);

type Row = { readonly [T in Event["type"]]: (state: State, event: Event & { type: T }) => Step };

/** Every event in every phase; a missing cell does not compile. */
const table: { readonly [P in Phase]: Row } = {
  stopped: {
    start: (state) => ({
      state: { ...state, phase: "connecting" },
      commands: [{ type: "connect", gateway: state.gateway }],
    }),
    stop: stay,
    retry: stay,
    up: stay,
    down: stay,
    silent: stay,
    message: stay,
  },
  waiting: {
    start: stay,
    stop,
    retry: (state) => ({
      state: { ...state, phase: "connecting" },
      commands: [{ type: "connect", gateway: state.gateway }],
    }),
    up: stay,
    down: stay,
    silent: stay,
    message: stay,
  },
  connecting: {
    start: stay,
    stop,
    retry: stay,
    up: (state, event) => greet(state, event.nonce),
    down: onDown,
    silent,
    message: stay,
  },
  greeting: { start: stay, stop, retry: stay, up: stay, down: onDown, silent, message: onMessage },
  syncing: { start: stay, stop, retry: stay, up: stay, down: onDown, silent, message: onMessage },
};

/** The next state and what must be done. Total: an event that means nothing in a phase changes nothing. */
export function step(state: State, event: Event): Step {
  const row: { readonly [T in Event["type"]]: (state: State, event: never) => Step } = table[state.phase];
  return row[event.type](state, event as never);
}
