import { healthOf, isDown } from "../bridge/delivery/circuit-breaker.ts";
import type { Engine } from "../bridge/engine.ts";
import { stopReason } from "../bridge/model/target-health.ts";
import { depth } from "./connectors.ts";
import { lagsOf } from "./lag.ts";
import { tallyOf } from "./ledger.ts";

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "gauge" | "summary";
  readonly samples: readonly {
    readonly suffix?: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly value: number;
  }[];
}

/**
 * Returns the bridge's metrics in the Prometheus text format.
 *
 * Source: Prometheus, "Text-based format", 0.0.4.
 */
export async function metricsText(engine: Engine): Promise<string> {
  const { ids } = engine.catalog;
  const [tally, lags, healths, lanes, outboxes, inbox] = await Promise.all([
    tallyOf(engine),
    lagsOf(engine),
    engine.store.read("health", ids),
    Promise.all(ids.map((id) => depth(engine, `lane:${id}`))),
    Promise.all(ids.map((id) => depth(engine, `outbox:${id}`))),
    depth(engine, "inbox"),
  ]);
  const { duplicates, ...events } = tally.events;
  const byConnector = (value: (i: number) => number) =>
    ids.map((connector, i) => ({ labels: { connector }, value: value(i) }));
  const healthAt = (i: number) => healths[i]?.value ?? healthOf(0);
  const metrics: readonly Metric[] = [
    gauge("bridge_events", "Events, by status.", byStatus(events)),
    gauge("bridge_events_duplicate", "Events received more than once.", [{ labels: {}, value: duplicates }]),
    gauge("bridge_packets", "Packets, by status.", byStatus(tally.packets)),
    gauge("bridge_inbox_messages", "Messages in the inbox.", [{ labels: {}, value: inbox }]),
    gauge(
      "bridge_lane_messages",
      "Messages in a connector's lane queue.",
      byConnector((i) => lanes[i] ?? 0),
    ),
    gauge(
      "bridge_outbox_messages",
      "Messages in a connector's outbox.",
      byConnector((i) => outboxes[i] ?? 0),
    ),
    gauge(
      "bridge_target_up",
      "1 if the target is up.",
      byConnector((i) => (isDown(healthAt(i)) ? 0 : 1)),
    ),
    gauge(
      "bridge_connector_paused",
      "1 if an operator has paused the connector, or has to decide about its changed address.",
      byConnector((i) => (stopReason(healthAt(i)) === undefined ? 0 : 1)),
    ),
    gauge(
      "bridge_window_breached",
      "1 if packets have exceeded their consistency window.",
      byConnector((i) => (healthAt(i).breachedSince === undefined ? 0 : 1)),
    ),
    {
      name: "bridge_lag_seconds",
      help: "Time from queueing to acknowledgement over the last hour.",
      type: "summary",
      samples: [...lags.lastHour].flatMap(([connector, { p50, p95, p99, count }]) => [
        { labels: { connector, quantile: "0.5" }, value: p50 / 1_000 },
        { labels: { connector, quantile: "0.95" }, value: p95 / 1_000 },
        { labels: { connector, quantile: "0.99" }, value: p99 / 1_000 },
        { suffix: "_count", labels: { connector }, value: count },
      ]),
    },
  ];
  return `${metrics.map(textOf).join("\n")}\n`;
}

function gauge(name: string, help: string, samples: Metric["samples"]): Metric {
  return { name, help, type: "gauge", samples };
}

function byStatus(counts: Readonly<Record<string, number>>): Metric["samples"] {
  return Object.entries(counts).map(([status, value]) => ({ labels: { status }, value }));
}

function textOf({ name, help, type, samples }: Metric): string {
  const lines = samples.map(({ suffix = "", labels, value }) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${text.replace(/[\\"\n]/g, "_")}"`);
    return `${name}${suffix}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}`;
  });
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines].join("\n");
}
