import { eventKey, parseEvent, type SourceEvent } from "../../bridge/model/event.ts";
import type { JsonObject } from "../../bridge/values/json.ts";
import { peopleOf } from "./plan.ts";

/** One event as its producer emitted it. */
export interface Emitted {
  readonly body: string;
  /** Time on the clock of the bridge's machine when it was emitted. ms */
  readonly at: number;
}

/** Something that a producer said about one record, for one target. */
export interface Claim {
  /** The event's key, which its packets and a target's calls carry. */
  readonly event: string;
  readonly source: string;
  /** Position among all emits, in real time. A repeated event has the position of the first. */
  readonly emitted: number;
  readonly sequence?: number;
  /** The producer's own time. ms */
  readonly time?: number;
  /** Time on the clock of the bridge's machine when it was emitted. ms */
  readonly at: number;
  readonly record: string;
  readonly action: "upsert" | "delete";
  /** Fields that the target is to hold, by its own names. */
  readonly fields: JsonObject;
}

/**
 * Derives from the emitted events alone what a target is to get. Knows the sheets of the simulation, in plain code, and
 * nothing of how the bridge records or orders events.
 *
 * @param target name of the connector
 */
export function claimsFor(target: string, emitted: readonly Emitted[]): Claim[] {
  const seen = new Set<string>();
  return emitted.flatMap(({ body, at }, position) => {
    const parsed = parseEvent(body);
    if (parsed.kind === "malformed") return [];
    const { event } = parsed;
    const key = eventKey(event);
    if (seen.has(key)) return [];
    seen.add(key);
    const time = event.time === undefined ? undefined : Date.parse(event.time);
    const { source, sequence } = event;
    const stamped = { ...(sequence !== undefined && { sequence }), ...(time !== undefined && { time }) };
    return changesOf(target, event).map((change) => ({
      ...{ event: key, source, emitted: position, at },
      ...stamped,
      ...change,
    }));
  });
}

type Change = Pick<Claim, "record" | "action" | "fields">;

/** Names of the fields that each target gets of `record.changed`. The field `note` is left out: it may be masked. */
const fieldsOf: Readonly<Record<string, readonly string[]>> = {
  Latest: ["a", "b"],
  Blunt: ["a", "b"],
  Journal: ["a", "b"],
  File: ["a"],
  Mainframe: ["a"],
};

function changesOf(target: string, { type, subject = "", data }: SourceEvent): Change[] {
  const given = data as JsonObject;
  const upsert = (record: string, fields: JsonObject): Change => ({ record, action: "upsert", fields });
  switch (type) {
    case "record.changed": {
      const names = (fieldsOf[target] ?? []).filter((name) => Object.hasOwn(given, name));
      const fields = Object.fromEntries(names.map((name) => [name, given[name] ?? null]));
      return names.length > 0 ? [upsert(subject, fields)] : [];
    }
    case "record.removed":
      return ["Latest", "Blunt"].includes(target) ? [{ record: subject, action: "delete", fields: {} }] : [];
    case "record.whole":
      return target === "Latest" ? [upsert(subject, { a: given.a ?? null, b: given.b ?? null })] : [];
    case "roster": {
      if (!["Latest", "Journal"].includes(target)) return [];
      return peopleOf(given).map(({ badge, a }) => upsert(badge, { a }));
    }
    default:
      return [];
  }
}

/**
 * Returns what a record holds after all claims about it, or `undefined` if its deletion is the last. Distinct sequences or
 * times of one source decide, otherwise the order of the emits.
 *
 * @param claims claims about one record
 */
export function endOf(claims: readonly Claim[]): JsonObject | undefined {
  let held: JsonObject | undefined;
  for (const { action, fields } of [...claims].sort(compareClaims)) {
    held = action === "delete" ? undefined : { ...held, ...fields };
  }
  return held;
}

/** Difference of two clocks up to which the bridge believes a producer's time. */
const maxAheadMs = 5 * 60_000;

/** Returns true if a producer's time is ahead of the bridge's machine when a change of the same record is emitted later. */
export function isWrongClock(claims: readonly Claim[]): boolean {
  return claims.some(({ time = 0, emitted }) =>
    claims.some((other) => other.emitted >= emitted && time > other.at + maxAheadMs),
  );
}

/** Compares two claims about a record that is not mixed. A change without a sequence is older than any with one. */
export function compareClaims(a: Claim, b: Claim): number {
  if (a.sequence !== undefined || b.sequence !== undefined) return (a.sequence ?? -1) - (b.sequence ?? -1);
  return (a.time ?? 0) - (b.time ?? 0) || a.emitted - b.emitted;
}
