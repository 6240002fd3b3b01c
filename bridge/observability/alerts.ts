import type { JsonObject } from "../values/json.ts";
import type { LogLine } from "./log.ts";

/** What HMS-OPS is told: one a change of state, with names and numbers only. */
export interface Alert {
  readonly type:
    | "sync.target.down"
    | "sync.target.recovered"
    | "sync.packet.held"
    | "sync.window.breached"
    | "sync.window.kept"
    | "sync.event.quarantined"
    | "sync.ledger.tampered";
  /** What it is about: a connector, an event, or the ledger's chain. */
  readonly subject: string;
  readonly data: JsonObject;
}

export interface TimestampedAlert extends Alert {
  /** ms since the epoch */
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
    "ledger-tampered": "sync.ledger.tampered",
  }),
);

/** The alert a log line stands for, if it does; most stand for none, and are only looked up. */
export function alertOf(line: LogLine): Alert | undefined {
  const type = types.get(line.step);
  if (!type) return undefined;
  // A quarantined event's reason may quote its attributes' names, which are its sender's words.
  const { step: _s, reason: _r, ...told } = line;
  const data = Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined)) as JsonObject;
  return { type, subject: String(told.connector ?? told.event ?? told.chain ?? "bridge"), data };
}

/** An alert as it is told, by whatever way: a CloudEvent in JSON. */
export function alertText({ at, ...alert }: TimestampedAlert, { id, source }: { id: string; source: string }): string {
  return JSON.stringify({ specversion: "1.0", id, source, time: new Date(at).toISOString(), ...alert });
}
