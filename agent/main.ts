/**
 * The agent, put together. This is the only place where its rooms meet:
 *
 *   http ┐
 *   tail ┼─▶ intake ─▶ store ─▶ uplink ─▶ MQTT ─▶ gateway
 *   host ┘               ▲
 *                  housekeeping             admin: /healthz /metrics /status
 *
 * Data walks forward; an acknowledgement is the value a call returns. The uplink pulls from the store.
 */
import type { Logger } from "pino";
import { startAdmin } from "../shared/admin.ts";
import { type Env, realEnv } from "../shared/env.ts";
import { Fault, messageOf } from "../shared/errors.ts";
import { releaseStartMemory } from "../shared/memory.ts";
import { watchRate } from "../shared/rate.ts";
import type { Life } from "../shared/run.ts";
import { isCorrupt, isFull } from "../shared/sqlite.ts";
import { version } from "../shared/version.ts";
import type { AgentConfig } from "./config.ts";
import type { InputContext } from "./inputs/input.ts";
import { startInputs } from "./inputs/start.ts";
import { startIntake } from "./intake.ts";
import { readLinkSecrets } from "./secrets.ts";
import { healthOf, type StatusSources, statusOf } from "./status.ts";
import { failsToWrite, openStoreFile, type StoreFile } from "./store/file.ts";
import { startHousekeeping } from "./store/housekeeping.ts";
import { openBallast } from "./store/room.ts";
import { openStore, type Store } from "./store/store.ts";
import type { ConnectLink, LinkEvents, LinkSession } from "./uplink/link.ts";
import { mqttLink } from "./uplink/mqtt.ts";
import { createUplink } from "./uplink/uplink.ts";

/** Small blocks wait this long for company before they are sent: a fraction of what any link takes. */
const lingerMs = 100;
const connectTimeoutMs = 30_000;

/**
 * Starts the agent's parts. A store that fails while it runs ends the life with `onStoreFailed`: the caller starts anew,
 * which opens the store with all its checks.
 */
export async function startAgent(
  config: AgentConfig,
  log: Logger,
  life: Life,
  onStoreFailed: () => void,
): Promise<void> {
  const failed = (error: unknown): void => {
    // Damage that is met while running lies where no check at the start looks: the next start takes the store over.
    if (isCorrupt(error)) file.setDamaged(messageOf(error));
    onStoreFailed();
    life.fail("store", error);
  };
  const env = guardedEnv(realEnv(), failed);
  const { file, store } = openWhole(config, env, log);
  life.onStop("store", () => file.close());

  const streams = config.streams.map(({ name }) => name);
  const intake = startIntake(store, env, {
    streams,
    commitIntervalMs: config.store.commitIntervalMs,
    onFailed: failed,
  });
  life.onStop("intake", () => intake.stop());

  const uplink = createUplink(store, env, {
    gateways: config.gateway.urls,
    agentVersion: version,
    answerTimeoutMs: config.gateway.answerTimeoutMs,
    sendWindow: config.gateway.sendWindow,
    lingerMs,
    connect: connector(config, mqttLink(env), env, failed),
    priorityOf: (name) => config.streams.find((stream) => stream.name === name)?.priority ?? 9,
    alarm: (text) => log.warn({ alarm: true }, text),
  });
  intake.onCommitted(() => uplink.appended());
  const stopHousekeeping = startHousekeeping(store, env);
  const rateIn = watchRate(env, intake.accepted);
  const rateOut = watchRate(env, store.readingsDelivered);
  life.onStop("uplink", () => {
    uplink.stop();
    stopHousekeeping();
    rateIn.stop();
    rateOut.stop();
  });

  const sources: StatusSources = {
    name: config.name,
    store,
    intake,
    uplink,
    rateIn,
    rateOut,
    recovery: file.recovery,
    env,
  };
  const status = (): ReturnType<typeof statusOf> => statusOf(sources);
  const admin = await startAdmin(config.admin.host, config.admin.port, {
    health: () => healthOf(status()),
    status,
    metrics: async () => (await import("./metrics.ts")).agentMetrics(sources),
  });
  life.onStop("admin", () => admin.stop());

  // Inputs start last and stop first: what they took is then committed by the intake behind them.
  const context: InputContext = { intake, env, log, streams };
  const inputs = await startInputs(config.inputs, context);
  life.onStop("inputs", () => inputs.stop());
  uplink.start();
  log.info(
    { agent: config.name, http: inputs.httpAddress, admin: `${config.admin.host}:${admin.port}` },
    "the agent runs",
  );
  releaseStartMemory();
}

/** Opens the store; where its tables turn out to be damaged, once more with what can be read of it (I10). */
function openWhole(config: AgentConfig, env: Env, log: Logger): { file: StoreFile; store: Store } {
  const { cacheBytes, quotaBytes } = config.store;
  for (let isAgain = false; ; isAgain = true) {
    const file = openStoreFile({ folder: config.stateFolder, cacheBytes, fileBytesMax: quotaBytes, env, log });
    try {
      return { file, store: openStoreOf(config, file, env, log) };
    } catch (error) {
      // A write that the disk refuses says nothing of what is there: only damage may move a store.
      const isDamage = !isFull(error) && !failsToWrite(error);
      if (!isAgain && isDamage) file.setDamaged(messageOf(error));
      file.close();
      if (isAgain || !isDamage) throw error;
    }
  }
}

function openStoreOf(config: AgentConfig, file: StoreFile, env: Env, log: Logger): Store {
  return openStore(file.db, env, {
    streams: config.streams.map(({ quotaBytes, ...stream }) =>
      quotaBytes === null ? stream : { ...stream, quotaBytes },
    ),
    quotaBytes: config.store.quotaBytes,
    ballast: openBallast(`${config.stateFolder}/ballast`, config.store.ballastBytes),
    quarantine(lane, row, bytes) {
      log.error({ stream: lane.name, epoch: lane.epoch, first: row.first, count: row.count }, "a block is damaged");
      file.quarantine.keepBlock(lane, row, bytes);
    },
  });
}

/** Connects with the secrets as they are now; missing ones count as unauthorised, so that tries become rare. */
function connector(
  config: AgentConfig,
  connect: ConnectLink,
  env: Env,
  failed: (error: unknown) => void,
): (url: string, events: LinkEvents) => LinkSession {
  return (url, events) => {
    const guarded: LinkEvents = {
      up: guard(events.up, failed),
      message: guard(events.message, failed),
      down: guard(events.down, failed),
    };
    try {
      const { secret, tls } = readLinkSecrets(config.gateway);
      const keepAliveMs = config.gateway.keepAliveMs;
      return connect({ url, agent: config.name, secret, tls, connectTimeoutMs, keepAliveMs }, guarded);
    } catch (error) {
      const timer = env.soon(() => guarded.down({ reason: "unauthorised", text: messageOf(error) }));
      return { send: () => Promise.resolve(), close: () => timer.cancel() };
    }
  };
}

/** The environment whose timers end the life where the store failed in them, instead of ending the process. */
function guardedEnv(env: Env, failed: (error: unknown) => void): Env {
  return {
    ...env,
    after: (delayMs, action) => env.after(delayMs, guard(action, failed)),
    soon: (action) => env.soon(guard(action, failed)),
  };
}

function guard<A extends unknown[]>(action: (...args: A) => void, failed: (error: unknown) => void) {
  return (...args: A): void => {
    try {
      action(...args);
    } catch (error) {
      // No room is no failure: what could not be noted is told again by the gateway, or tried again with the next timer.
      if (isFull(error) || (error instanceof Fault && error.code === "full")) return;
      failed(error);
    }
  };
}
