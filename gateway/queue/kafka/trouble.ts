/** What a cluster's errors mean to the caller of the queue. */
import { Fault } from "../../../shared/errors.ts";
import { ClusterError } from "./cluster.ts";

/** The Fault for anything that was thrown while the cluster was used; a defect stays what it is. */
export function troubleFault(error: unknown, positionsTopic: string): unknown {
  if (!(error instanceof ClusterError)) return error;
  const at = error.place === null ? "" : ` (${error.place.topic}, partition ${error.place.partition})`;
  const detail = { why: `${error.message}${at}`, cause: error, retryable: true };
  if (error.trouble === "refused") {
    return new Fault("unauthorised", {
      ...detail,
      what: "the Kafka cluster refuses this gateway",
      remedy: `check user, rights and topics with \`holdfast-gateway check\`; the positions topic is ${positionsTopic}`,
    });
  }
  return new Fault("unavailable", {
    ...detail,
    what: error.trouble === "away" ? "the Kafka cluster does not answer" : "the Kafka queue starts again",
    remedy: "look at the cluster; the gateway tries again by itself, and the journal keeps what comes in",
  });
}
