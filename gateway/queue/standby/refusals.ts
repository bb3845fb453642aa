/** What a queue on two clusters says where it cannot go on, and what now. */
import { Fault } from "../../../shared/errors.ts";
import { staleFault } from "../kafka/refusals.ts";
import type { Side } from "./ledger.ts";

export function unmet(why: string | null = null): Fault {
  return new Fault("unavailable", {
    what: "the cluster that is to take the readings has not been reached",
    why: why ?? "it does not answer yet; the log says more",
    remedy: "look at the clusters, or see `holdfast-gateway standby`; the journal keeps what comes in",
    retryable: true,
  });
}

export function otherCluster(side: Side, why: string): Fault {
  return new Fault("unavailable", {
    what: `the ${side} is not the cluster that the journal knows`,
    why,
    remedy:
      side === "primary"
        ? "check queue.kafka.brokers; where another cluster has taken its place for good, see `holdfast-gateway standby`"
        : "check queue.kafka.standby.brokers; where another cluster has taken its place for good, see `holdfast-gateway standby`",
    retryable: true,
  });
}

/** Somebody else acts in a later era: whoever goes on in this one could send what that one has sent. */
export function overtaken(): Fault {
  return new Fault("closed", {
    what: "another gateway has changed to the other cluster",
    remedy: "run one gateway for each journal; restart this one when the other has stopped",
  });
}

export function beganAnew(): Fault {
  return staleFault("its clusters changed");
}

export function noSwitch(side: Side, why: string): Fault {
  return new Fault("usage", { what: `the gateway does not go on at the ${side}`, why });
}

export function notGivenUp(side: Side): Fault {
  const remedy = `give it up first, with \`holdfast-gateway standby abandon ${side}\`, if it is lost for good`;
  return new Fault("usage", { what: `the ${side} was not given up`, remedy });
}

export function stillInDoubt(side: Side): Fault {
  return new Fault("usage", {
    what: `readings that the ${side} may have are still on their way to the other cluster`,
    remedy: "wait until `holdfast-gateway standby` tells that nothing is in doubt",
  });
}

export function restartNeeded(side: Side): Fault {
  return new Fault("usage", {
    what: `the ${side} is taken into use with the next start`,
    remedy: "restart the gateway",
  });
}
