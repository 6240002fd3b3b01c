import type { JsonObject } from "../values/json.ts";
import type { LogLine } from "./log.ts";

/** Alert to HMS-OPS: one for each change of state. It carries names and numbers only, no field values. */
export interface Alert {
  readonly type:
    | "sync.target.down"
    | "sync.target.recovered"
    | "sync.packet.held"
    | "sync.window.breached"
    | "sync.window.kept"
    | "sync.event.quarantined"
    | "sync.event.reused"
    | "sync.connector.moved"
    | "sync.sequence.restarted"
    | "sync.order.mixed"
    | "sync.packet.late"
    | "sync.connector.missing"
    | "sync.ledger.tampered";
  /** The connector, event or ledger chain that the alert is about. */
  readonly subject: string;
  readonly data: JsonObject;
}

export interface TimestampedAlert extends Alert {
  /** Time of the alert, in ms since the epoch. */
  readonly at: number;
}

const types = new Map<string, Alert["type"]>(
  Object.entries({
    "target-down": "sync.target.down",
    "target-recovered": "sync.target.recovered",
    held: "sync.packet.held",
    "window-breach": "sync.window.breached",
    "window-kept": "sync.window.kept",
    quarantined: "sync.event.quarantined",
    "event-id-reused": "sync.event.reused",
    "address-changed": "sync.connector.moved",
    "sequence-restarted": "sync.sequence.restarted",
    "order-mixed": "sync.order.mixed",
    "sent-late": "sync.packet.late",
    "connector-missing": "sync.connector.missing",
    "ledger-tampered": "sync.ledger.tampered",
  }),
);

/** Returns the alert for a log line, or `undefined` if the line's step raises none. */
export function alertOf(line: LogLine): Alert | undefined {
  const type = types.get(line.step);
  if (!type) return undefined;
  // The reason is omitted: for a quarantined event, it may quote attribute names chosen by the sender.
  const { step: _s, reason: _r, ...published } = line;
  const data = Object.fromEntries(Object.entries(published).filter(([, value]) => value !== undefined)) as JsonObject;
  return { type, subject: String(published.connector ?? published.event ?? published.chain ?? "bridge"), data };
}

/** Serializes an alert as a CloudEvent in JSON, the format on every alert channel. */
export function alertText({ at, ...alert }: TimestampedAlert, { id, source }: { id: string; source: string }): string {
  return JSON.stringify({ specversion: "1.0", id, source, time: new Date(at).toISOString(), ...alert });
}
