import type { JsonObject } from "./json.ts";
import type { LogLine } from "./ports.ts";

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

export interface ToldAlert extends Alert {
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

/** The alert a log line stands for, if it does. */
export function alertOf({ step, ...facts }: LogLine): Alert | undefined {
  const type = types.get(step);
  if (!type) return undefined;
  // A quarantined event's reason may quote its attributes' names, which are its sender's words.
  const { reason: _, ...told } = facts;
  const data = Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined)) as JsonObject;
  return { type, subject: String(facts.connector ?? facts.event ?? facts.chain ?? "bridge"), data };
}
