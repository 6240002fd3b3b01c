import type { LogLine } from "../bridge/observability/log.ts";

/** Where the metrics stand in CloudWatch. */
export const metricsNamespace = "HmsSyncBridge";

/** Everything the functions count or time. Each has the dimension `service`, the deployment's name; some `connector` too. */
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

/** Counted by one, or by what a field of the line says; a field that ends in `Ms` is a time. */
type Value = 1 | string | ((line: LogLine) => number);

interface Meaning {
  /** `INFO`, if not said. */
  readonly level?: "WARN" | "ERROR";
  readonly metrics?: Readonly<Partial<Record<MetricName, Value>>>;
}

/**
 * What the path's log lines mean to an operator: how loud each is, and what it counts.
 *
 * The path says what happened, and knows of no metric; here alone a line becomes one. Most lines count nothing.
 */
const meanings: Readonly<Record<string, Meaning>> = {
  expanded: {
    metrics: { EventsExpanded: 1, PacketsRecorded: "packets", EventAge: "ageMs", MappingFaults: "heldByMapping" },
  },
  // A large event: it tells itself again, as expanded, when all its packets are recorded.
  expanding: { metrics: { MappingFaults: "heldByMapping" } },
  unmatched: { metrics: { EventsUnmatched: 1 } },
  quarantined: { level: "WARN", metrics: { EventsQuarantined: 1 } },
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
  // Asked every minute for as long as it is down: what an alarm can hold on to.
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
  return meanings[step]?.level ?? "INFO";
}

export interface Measured {
  readonly name: MetricName;
  readonly unit: "Count" | "Milliseconds";
  readonly value: number;
}

/** What a line adds to the metrics. A field it names and the line lacks adds nothing. */
export function measuredIn(line: LogLine): Measured[] {
  return Object.entries(meanings[line.step]?.metrics ?? {}).flatMap(([name, from]): Measured[] => {
    const value = typeof from === "string" ? line[from] : typeof from === "function" ? from(line) : from;
    if (typeof value !== "number") return [];
    const unit = typeof from === "string" && from.endsWith("Ms") ? "Milliseconds" : "Count";
    return [{ name: name as MetricName, unit, value }];
  });
}
