/**
 * Prometheus metrics. Parts keep their own totals anyway, for `status`; so metrics are read from them when somebody
 * scrapes, and counting twice cannot disagree. prom-client costs about 2 MB of memory beside node:http.
 */
import { Counter, Gauge, Registry } from "prom-client";

/** One value of a metric with its labels. */
export interface Sample {
  readonly labels?: Record<string, string>;
  readonly value: number;
}

export interface Metric {
  /** Prometheus name with its unit last, for instance `holdfast_store_size_bytes`; a counter ends in `_total`. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  /** Reads the present values. The number of label sets must be bounded by configuration, never by what peers send. */
  read(): number | Iterable<Sample>;
}

/** A registry that already says which program this is, when it started and how much memory it holds. */
export function openMetrics(program: string, version: string): Registry {
  const registry = new Registry();
  const startSeconds = Math.round(Date.now() / 1000 - process.uptime());
  addGauge(registry, {
    name: "holdfast_build_info",
    help: "Always 1; the labels say which program and version runs.",
    labels: ["program", "version"],
    read: () => [{ labels: { program, version }, value: 1 }],
  });
  addGauge(registry, {
    name: "process_start_time_seconds",
    help: "When the process started, seconds since 1970.",
    read: () => startSeconds,
  });
  addGauge(registry, {
    name: "process_resident_memory_bytes",
    help: "Resident memory of the process.",
    read: () => process.memoryUsage.rss(),
  });
  return registry;
}

/** Adds a value that goes up and down. */
export function addGauge(registry: Registry, metric: Metric): void {
  new Gauge({
    ...head(registry, metric),
    collect() {
      this.reset();
      for (const { labels, value } of samplesOf(metric)) this.set(labels ?? {}, value);
    },
  });
}

/** Adds a total that only grows while the process runs. */
export function addCounter(registry: Registry, metric: Metric): void {
  new Counter({
    ...head(registry, metric),
    collect() {
      this.reset();
      for (const { labels, value } of samplesOf(metric)) this.inc(labels ?? {}, value);
    },
  });
}

function head(registry: Registry, metric: Metric) {
  return { name: metric.name, help: metric.help, labelNames: [...(metric.labels ?? [])], registers: [registry] };
}

function samplesOf(metric: Metric): Iterable<Sample> {
  const read = metric.read();
  return typeof read === "number" ? [{ value: read }] : read;
}
