/**
 * The agent's Prometheus metrics, loaded with the first scrape: prom-client and what it brings along are memory that a
 * device which nobody scrapes would hold for nothing.
 */
import type { Registry } from "prom-client";
import { addCounter, addGauge, openMetrics } from "../shared/metrics.ts";
import { version } from "../shared/version.ts";
import type { StatusSources } from "./status.ts";
import type { Store } from "./store/store.ts";

/** The registry of the agent's metrics. */
export function agentMetrics(sources: StatusSources): Registry {
  const registry = openMetrics("holdfast-agent", version);
  const usage = (): ReturnType<Store["usage"]> => sources.store.usage();
  addCounter(registry, {
    name: "holdfast_agent_accepted_readings_total",
    help: "Readings acknowledged to inputs since the start.",
    read: () => sources.intake.accepted(),
  });
  addCounter(registry, {
    name: "holdfast_agent_sent_readings_total",
    help: "Readings sent to a gateway since the start, repeats included.",
    read: () => sources.uplink.status().readingsSent,
  });
  addGauge(registry, {
    name: "holdfast_agent_pending_readings",
    help: "Readings that wait for the gateway.",
    labels: ["stream"],
    read: () => [...usage().pending].map(([stream, { readings }]) => ({ labels: { stream }, value: readings })),
  });
  addGauge(registry, {
    name: "holdfast_agent_pending_bytes",
    help: "Bytes of blocks that wait for the gateway.",
    labels: ["stream"],
    read: () => [...usage().pending].map(([stream, { bytes }]) => ({ labels: { stream }, value: bytes })),
  });
  addCounter(registry, {
    name: "holdfast_agent_lost_readings_total",
    help: "Readings named in loss records, over the life of the store.",
    labels: ["reason"],
    read: () => [...usage().losses].map(([reason, value]) => ({ labels: { reason }, value })),
  });
  addGauge(registry, {
    name: "holdfast_agent_store_bytes",
    help: "Bytes of the store that hold data.",
    read: () => usage().usedBytes,
  });
  addGauge(registry, {
    name: "holdfast_agent_link_up",
    help: "1 while the agent and a gateway exchange readings.",
    read: () => (sources.uplink.status().phase === "syncing" ? 1 : 0),
  });
  return registry;
}
