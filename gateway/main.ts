/**
 * The gateway, put together. This is the only place where its rooms meet:
 *
 *   agents ─▶ broker (MQTT) ─▶ ingress ─▶ journal ─▶ forwarder ─▶ queue
 *
 *   control.sock: declare-lost, replay, standby     admin: /healthz /metrics /status
 *
 * Ingress answers after the journal's fsync; the forwarder pulls from the journal, and deletes there what the queue has.
 */
import type { Logger } from "pino";
import { startAdmin } from "../shared/admin.ts";
import { codecColumns, codecColumnsZstd, codecLoss } from "../shared/block/block.ts";
import { realEnv } from "../shared/env.ts";
import type { Fault } from "../shared/errors.ts";
import { collectEvery, releaseStartMemory } from "../shared/memory.ts";
import { openMetrics } from "../shared/metrics.ts";
import { watchRate } from "../shared/rate.ts";
import type { Life } from "../shared/run.ts";
import { version } from "../shared/version.ts";
import type { GatewayConfig } from "./config.ts";
import { startControl } from "./control.ts";
import { declareLost, declareTask, readDeclaration } from "./declare-lost.ts";
import { startForwarder } from "./forwarder/forwarder.ts";
import { type Broker, startBroker } from "./ingress/broker.ts";
import { openCredentials } from "./ingress/credentials.ts";
import { startIngress } from "./ingress/ingress.ts";
import { openParts } from "./parts.ts";
import { openReplayer, readWishes, replayTask } from "./replay-letters.ts";
import { readStandbyWish, standbyTask, wishOf } from "./standby.ts";
import { addGatewayMetrics, healthOf, type StatusSources, statusOf } from "./status.ts";

/** A million readings and more: a collection costs nothing beside what is done with these. */
const collectEveryBytes = 2 * 1024 * 1024;

export async function startGateway(config: GatewayConfig, log: Logger, life: Life): Promise<void> {
  const env = realEnv();
  const onFailed = (fault: Fault): void => life.fail("journal", fault);
  const parts = await openParts({ config, env, log, signal: life.stopping, onFailed });
  life.onStop("journal and queue", () => parts.close());
  const { queue, journal, standby } = parts;

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
    holdsBack: () => queue.holdsBack?.() ?? null,
    ...(standby === undefined ? {} : { standby }),
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
    [standbyTask]: (body) => wishOf(standby, readStandbyWish(body)),
  });
  life.onStop("control", () => control.stop());

  const collect = collectEvery(collectEveryBytes);
  broker = await startBroker({
    listen: config.mqtt.listen,
    tls: config.mqtt.tls ?? undefined,
    credentials: openCredentials(config.stateFolder, (fault) =>
      log.error({ err: fault }, "the credentials cannot be read; the last good ones stay in force"),
    ),
    onMessage(agent, bytes) {
      collect(bytes.length);
      return ingress.handle(agent, bytes);
    },
    env,
    log,
  });
  const running = broker;
  life.onStop("broker", () => running.stop());
  log.info(
    { gateway: config.name, mqtt: running.ports, admin: `${config.admin.host}:${admin.port}`, group: queue.groupId },
    "the gateway runs",
  );
  releaseStartMemory();
}
