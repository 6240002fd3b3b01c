import type { LogLine } from "../bridge/observability/log.ts";

/** CloudWatch namespace of the metrics. */
export const metricsNamespace = "HmsSyncBridge";

/**
 * Names of all metrics. Every metric has the dimension `service` (the deployment's name), and those of a connector also
 * have `connector`.
 */
export type MetricName =
  | "Acknowledged"
  | "Lag"
  | "EventToAcknowledged"
  | "Retries"
  | "Parked"
  | "Held"
  | "Unchanged"
  | "Superseded"
  | "TargetDown"
  | "WindowBreaches"
  | "EventsExpanded"
  | "EventsUnmatched"
  | "EventsQuarantined"
  | "EventsDuplicate"
  | "EventAge"
  | "PacketsRecorded"
  | "LedgerTampered"
  | "EntriesCopied"
  | "EntriesSealed"
  | "MappingFaults"
  | "GovernanceNotAsked";

/**
 * Source of a metric's value: 1 for each line, a field of the line, or a function of the line. A field whose name ends
 * in `Ms` is a duration.
 */
type MetricValue = 1 | string | ((line: LogLine) => number);

interface StepRule {
  /** Default: `INFO`. */
  readonly level?: "WARN" | "ERROR";
  readonly metrics?: Readonly<Partial<Record<MetricName, MetricValue>>>;
}

/**
 * Level and metrics of each log step.
 *
 * The bridge logs only events. This table alone derives metrics from log lines; most lines have none.
 */
const stepRules: Readonly<Record<string, StepRule>> = {
  expanded: {
    metrics: { EventsExpanded: 1, PacketsRecorded: "packets", EventAge: "ageMs", MappingFaults: "heldByMapping" },
  },
  // A large event is logged as `expanded` once all of its packets are recorded.
  expanding: { metrics: { MappingFaults: "heldByMapping" } },
  unmatched: { metrics: { EventsUnmatched: 1 } },
  quarantined: { level: "WARN", metrics: { EventsQuarantined: 1 } },
  "event-id-reused": { level: "WARN", metrics: { EventsQuarantined: 1 } },
  duplicate: { metrics: { EventsDuplicate: 1 } },
  delivered: { metrics: { Acknowledged: 1, Lag: "lagMs", EventToAcknowledged: "ageMs" } },
  retry: { level: "WARN", metrics: { Retries: 1 } },
  parked: { level: "WARN", metrics: { Parked: 1 } },
  refused: { level: "WARN" },
  unknown: { level: "WARN" },
  held: { level: "WARN", metrics: { Held: 1 } },
  unchanged: { metrics: { Unchanged: 1 } },
  superseded: { metrics: { Superseded: 1 } },
  "target-down": { level: "WARN", metrics: { TargetDown: 1 } },
  // Probes run every minute while a target is down, which gives the alarm a continuous signal.
  probe: { metrics: { TargetDown: ({ awake }) => (awake ? 0 : 1) } },
  "window-breach": { level: "WARN", metrics: { WindowBreaches: 1 } },
  "unknown-message": { level: "WARN" },
  "event-resumed": { level: "WARN" },
  "put-back": { level: "WARN" },
  "delay-failed": { level: "WARN" },
  "alert-failed": { level: "WARN" },
  "poll-failed": { level: "WARN" },
  copied: { metrics: { EntriesCopied: "entries" } },
  sealed: { metrics: { EntriesSealed: "entries" } },
  "address-changed": { level: "WARN" },
  "sequence-restarted": { level: "WARN" },
  "order-mixed": { level: "WARN" },
  "sent-late": { level: "WARN" },
  "connector-missing": { level: "WARN" },
  "ledger-tampered": { level: "ERROR", metrics: { LedgerTampered: 1 } },
  "sheets-not-asked": { level: "WARN" },
  "sheets-refused": { level: "ERROR" },
  "accept-failed": { level: "ERROR" },
  "governance-not-asked": { level: "ERROR", metrics: { GovernanceNotAsked: 1 } },
  "deliver-failed": { level: "ERROR" },
  "keep-failed": { level: "ERROR" },
  "job-failed": { level: "ERROR" },
  "api-failed": { level: "ERROR" },
};

export function levelOf({ step }: LogLine): "INFO" | "WARN" | "ERROR" {
  return stepRules[step]?.level ?? "INFO";
}

export interface Measurement {
  readonly name: MetricName;
  readonly unit: "Count" | "Milliseconds";
  readonly value: number;
}

/** Returns the metric values in a log line. Omits a metric whose field is missing from the line. */
export function measurementsIn(line: LogLine): Measurement[] {
  return Object.entries(stepRules[line.step]?.metrics ?? {}).flatMap(([name, from]): Measurement[] => {
    const value = typeof from === "string" ? line[from] : typeof from === "function" ? from(line) : from;
    if (typeof value !== "number") return [];
    const unit = typeof from === "string" && from.endsWith("Ms") ? "Milliseconds" : "Count";
    return [{ name: name as MetricName, unit, value }];
  });
}
