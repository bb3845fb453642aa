/**
 * From two clusters back to one: what the other one had is told to the one that stays, before it is forgotten that there
 * were two. Without that, agents would be asked for it again, and it would stand on both.
 */
import { join } from "node:path";
import { Fault } from "../shared/errors.ts";
import { takeLock } from "../shared/lock.ts";
import { awaitCluster } from "./await-cluster.ts";
import { knownGroup } from "./group.ts";
import { forgetClusters, type NotedClusters, rememberedPositions } from "./journal/remembered.ts";
import type { PartsOptions } from "./parts.ts";
import { openKafka } from "./queue/kafka/open.ts";
import { bothSides, otherSide } from "./queue/standby/ledger.ts";

/** @throws Fault `config` where readings may be on the other cluster alone, or on neither */
export async function leaveStandby({ config, env, log, signal }: PartsOptions, noted: NotedClusters): Promise<void> {
  const { stateFolder, queue: settings } = config;
  const why = "this gateway has written to two clusters, and the configuration names one, or none";
  if (settings.engine !== "kafka") {
    const remedy = "put queue.engine: kafka and both clusters back";
    throw new Fault("config", { what: "the queue stands on two clusters", why, remedy });
  }
  const lock = takeLock(join(stateFolder, "journal.lock"), `the journal in ${stateFolder}`);
  try {
    const opening = { settings, env, log, groupId: config.groupId ?? knownGroup(stateFolder), signal };
    const asked = await openKafka(opening);
    const { clusterId } = asked;
    await asked.close();
    const own = bothSides.find((side) => noted.clusterIds[side] === clusterId);
    const seqs = own === undefined ? Number.NaN : noted.reservedSeqs[otherSide(own)];
    if (seqs !== 0) {
      throw new Fault("config", {
        what:
          own === undefined
            ? `the cluster ${clusterId} is neither of the two`
            : `${seqs} seqs may stand on the ${otherSide(own)} that is no longer configured`,
        why,
        remedy:
          "put queue.kafka.standby back until `holdfast-gateway standby` tells that nothing is held; a cluster that is lost for " +
          "good is given up by `holdfast-gateway standby abandon`",
      });
    }
    log.warn({ settleMs: settings.settleMs }, "one cluster stays of two: it is told what the other one had");
    const adopting = await openKafka({ ...opening, adopt: rememberedPositions(stateFolder) ?? [] });
    try {
      await awaitCluster(env, signal, () => adopting.progress().released >= adopting.progress().committed);
    } finally {
      await adopting.close();
    }
    forgetClusters(stateFolder);
  } finally {
    lock.release();
  }
}
