/**
 * The gateway, put together. This is the only place where its rooms meet:
 *
 *   agents ─▶ broker (MQTT) ─▶ ingress ─▶ journal ─▶ forwarder ─▶ queue
 *
 *   control.sock: declare-lost, replay     admin: /healthz /metrics /status
 *
 * Ingress answers after the journal's fsync; the forwarder pulls from the journal, and deletes there what the queue has.
 */
import { mkdirSync } from "node:fs";
import type { Logger } from "pino";
import { startAdmin } from "../shared/admin.ts";
import { codecColumns, codecColumnsZstd, codecLoss } from "../shared/block/block.ts";
import { type Env, realEnv } from "../shared/env.ts";
import { Fault } from "../shared/errors.ts";
import { openMetrics } from "../shared/metrics.ts";
import { watchRate } from "../shared/rate.ts";
import type { Life } from "../shared/run.ts";
import { version } from "../shared/version.ts";
import type { GatewayConfig } from "./config.ts";
import { startControl } from "./control.ts";
import { declareLost, declareTask, readDeclaration } from "./declare-lost.ts";
import { startForwarder } from "./forwarder/forwarder.ts";
import { checkGroup, knownGroup } from "./group.ts";
import { type Broker, startBroker } from "./ingress/broker.ts";
import { openCredentials } from "./ingress/credentials.ts";
import { startIngress } from "./ingress/ingress.ts";
import type { Journal } from "./journal/journal.ts";
import { folderPlace } from "./journal/place.ts";
import { rememberedPositions } from "./journal/remembered.ts";
import { openSqliteJournal } from "./journal/sqlite.ts";
import { openFileQueue } from "./queue/file.ts";
import { type LateQueue, lateQueue } from "./queue/late.ts";
import type { Queue } from "./queue/queue.ts";
import { openReplayer, readWishes, replayTask } from "./replay-letters.ts";
import { addGatewayMetrics, healthOf, type StatusSources, statusOf } from "./status.ts";

/** The durable parts: also what `declare-lost` opens while no gateway runs. */
export interface Parts {
  readonly queue: Queue;
  readonly journal: Journal;
  close(): Promise<void>;
}

/** A queue that takes longer to open is waited for with the gateway at work, if it has a journal that knows the queue. */
const patienceMs = 5_000;

/** Opens queue and journal; the queue first, since a journal that may have gone back unites with it. */
export async function openParts(
  config: GatewayConfig,
  env: Env,
  log: Logger,
  signal: AbortSignal,
  onFailed: (fault: Fault) => void,
): Promise<Parts> {
  const opening = openQueue(config, env, log, signal);
  // Whoever waits for it is told of a failure; where a failure elsewhere came first, nobody waits.
  opening.catch(() => undefined);
  const late = await lateIfSlow(config, env, opening);
  if (late === undefined) return await withJournal(config, env, log, await opening, onFailed);
  let parts: Parts;
  try {
    parts = await withJournal(config, env, log, late, onFailed);
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "busy") throw error;
    log.warn({ err: error }, "waiting for the queue");
    return await withJournal(config, env, log, await opening, onFailed);
  }
  log.warn("the queue does not answer yet: the journal takes what agents bring, and forwards it later");
  meetLater(late, opening, parts.journal, config).catch((fault: Fault) => {
    if (!signal.aborted) onFailed(fault);
  });
  return parts;
}

async function withJournal(
  config: GatewayConfig,
  env: Env,
  log: Logger,
  queue: Queue,
  onFailed: (fault: Fault) => void,
): Promise<Parts> {
  const { stateFolder, journal: settings, groupId } = config;
  try {
    const { quotaBytes } = settings;
    mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
    checkGroup(stateFolder, queue.groupId, groupId);
    const place = folderPlace(stateFolder, env);
    const journal = await openSqliteJournal({ place, env, quotaBytes, queue, log, onFailed });
    const close = async (): Promise<void> => {
      await journal.close();
      await queue.close();
    };
    return { queue, journal, close };
  } catch (error) {
    await queue.close();
    throw error;
  }
}

/** What stands for a queue that is not there in time; undefined where it is, or where it must be waited for. */
async function lateIfSlow(config: GatewayConfig, env: Env, opening: Promise<Queue>): Promise<LateQueue | undefined> {
  const group = config.groupId ?? knownGroup(config.stateFolder);
  const slow = Promise.withResolvers<"slow">();
  const timer = env.after(patienceMs, () => slow.resolve("slow"));
  const first = await Promise.race([opening, slow.promise]).finally(() => timer.cancel());
  if (first !== "slow" || group === null) return undefined;
  const remembered = rememberedPositions(config.stateFolder);
  return remembered === undefined ? undefined : lateQueue(group, remembered);
}

/** Once the queue is there: is it the same, do journal and queue agree, and then forwarding begins. */
async function meetLater(
  late: LateQueue,
  opening: Promise<Queue>,
  journal: Journal,
  { stateFolder, groupId }: GatewayConfig,
): Promise<void> {
  const queue = await opening;
  late.attach(queue);
  checkGroup(stateFolder, queue.groupId, groupId);
  await journal.meetQueue();
  late.begin();
}

/** Only a queue on Kafka loads its client. */
async function openQueue(config: GatewayConfig, env: Env, log: Logger, signal: AbortSignal): Promise<Queue> {
  const { queue: settings, stateFolder, groupId } = config;
  if (settings.engine === "file") return openFileQueue({ ...settings, env, log });
  const { openKafka } = await import("./queue/kafka/open.ts");
  return openKafka({ settings, env, log, groupId: groupId ?? knownGroup(stateFolder), signal });
}

export async function startGateway(config: GatewayConfig, log: Logger, life: Life): Promise<void> {
  const env = realEnv();
  const parts = await openParts(config, env, log, life.stopping, (fault) => life.fail("journal", fault));
  life.onStop("journal and queue", () => parts.close());
  const { queue, journal } = parts;

  const forwarder = startForwarder({
    journal,
    queue,
    env,
    log,
    commitIntervalMs: config.queue.engine === "kafka" ? config.queue.commitIntervalMs : 0,
    onStopped: (fault) => log.error({ err: fault, alarm: true }, "forwarding has stopped; agents are still served"),
  });
  life.onStop("forwarder", () => forwarder.close());

  let broker: Broker | undefined;
  const ingress = startIngress({
    journal,
    send: (agent, bytes) => broker?.send(agent, bytes),
    gatewayName: config.name,
    advertise: config.advertise,
    sendWindow: config.sendWindow,
    codecs: [codecLoss, codecColumns, codecColumnsZstd],
    env,
    log,
    alarm: (kind, agent, detail) => log.warn({ alarm: kind, agent }, detail),
  });
  const rateIn = watchRate(env, () => ingress.counters.readings);
  const replayer = openReplayer(queue);
  const letters = { written: () => queue.deadLetters?.written() ?? forwarder.status().deadLetters, ...replayer };
  const sources: StatusSources = {
    name: config.name,
    journal,
    ingress,
    forwarder,
    letters,
    gone: () => queue.gone?.() ?? [],
    broker: () => broker,
    rateIn,
  };
  const metrics = openMetrics("holdfast-gateway", version);
  addGatewayMetrics(metrics, sources);
  const status = (): ReturnType<typeof statusOf> => statusOf(sources);
  const admin = await startAdmin(config.admin.host, config.admin.port, {
    health: () => healthOf(status()),
    status,
    metrics: async () => metrics,
  });
  life.onStop("admin", () => {
    rateIn.stop();
    return admin.stop();
  });
  const control = await startControl(config.stateFolder, {
    [declareTask]: (body) => declareLost(journal, readDeclaration(body)),
    [replayTask]: (body) => replayer.replay(readWishes(body)),
  });
  life.onStop("control", () => control.stop());

  broker = await startBroker({
    listen: config.mqtt.listen,
    tls: config.mqtt.tls ?? undefined,
    credentials: openCredentials(config.stateFolder, (fault) =>
      log.error({ err: fault }, "the credentials cannot be read; the last good ones stay in force"),
    ),
    onMessage: ingress.handle,
    env,
    log,
  });
  const running = broker;
  life.onStop("broker", () => running.stop());
  log.info(
    { gateway: config.name, mqtt: running.ports, admin: `${config.admin.host}:${admin.port}`, group: queue.groupId },
    "the gateway runs",
  );
}
