import type { JsonObject } from "../../bridge/values/json.ts";
import { type TargetMode, targetModes } from "./target-mode.ts";

/** Something that happens to the bridge from outside: an event, an operation, a change or a failure. */
export type Action =
  | { readonly do: "emit"; readonly body: string }
  | { readonly do: "mode"; readonly target: number; readonly mode: TargetMode }
  | { readonly do: "wait"; readonly ms: number }
  /** Sets the machine's clock forward or back. */
  | { readonly do: "jump"; readonly ms: number }
  | { readonly do: "sheets"; readonly variant: number }
  | { readonly do: "policy"; readonly variant: number }
  /** Makes the compliance engine answer this percentage of all questions. */
  | { readonly do: "compliance"; readonly percent: number }
  /** Lets a person decide about one of the held packets. */
  | { readonly do: "decide"; readonly decision: Decision }
  | { readonly do: "pause"; readonly target: number; readonly paused: boolean }
  | { readonly do: "replay"; readonly force: boolean; readonly target?: number }
  | { readonly do: "cancel" }
  /** Starts a backfill of a snapshot with these lines. */
  | { readonly do: "backfill"; readonly lines: readonly string[]; readonly targets: readonly string[] }
  | { readonly do: "forget"; readonly target: number; readonly entity?: string }
  | { readonly do: "secret"; readonly isPresent: boolean }
  /** Empties a connector's lane queue and outbox. */
  | { readonly do: "purge"; readonly target: number }
  /** Makes this percentage of port calls fail from now on, before their effect or after it. */
  | { readonly do: "faults"; readonly percent: number }
  /** Makes this percentage of processes crash from now on, and some calls stall for up to minutes. */
  | { readonly do: "crashes"; readonly percent: number };

export type Decision = "release" | "edit" | "discard";

/** Personal data in events. It must appear in no log line and no ledger entry, and reach no target. */
export const planted = ["123-45-6789", "alice@agency.example", "4111 1111 1111 1111"];
export const token = "s3cr3t-of-the-latest";

const entities = ["r1", "r2", "r3", "r4"];

/** Two variants of the sheets, by sheet name. The second one maps a field to another name. */
export const sheetVariants: readonly Readonly<Record<string, string>>[] = ["note", "remark"].map((note) => ({
  record: `
source_event: record.changed
targets:
  latest: { connector: Latest, map: { a: a, b: b, note: ${note} } }
  blunt: { connector: Blunt, map: { a: a, b: b } }
  journal: { connector: Journal, map: { a: a, b: b } }
  file: { connector: File, map: { a: a } }
  mainframe: { connector: Mainframe, map: { a: a } }
`,
  removal: `
source_event: record.removed
targets:
  latest: { connector: Latest, action: delete }
  blunt: { connector: Blunt, action: delete }
`,
  whole: `
source_event: record.whole
targets: { latest: { connector: Latest, map: { a: a, b: b }, send: full } }
`,
  roster: `
source_event: roster
targets:
  latest: { connector: Latest, for_each: data.people, key: badge, map: { a: a } }
  journal: { connector: Journal, for_each: data.people, key: badge, map: { a: a } }
`,
}));

export const policies = ["otherwise: block", "otherwise: mask"];

/** Computes from an event's body alone how many packets it must have. */
export function packetsOf(event: { readonly type?: unknown; readonly data?: unknown }): number {
  const data = (event.data ?? {}) as JsonObject;
  switch (event.type) {
    case "record.changed": {
      const has = (name: string) => Object.hasOwn(data, name);
      return (["a", "b", "note"].some(has) ? 1 : 0) + (["a", "b"].some(has) ? 2 : 0) + (has("a") ? 2 : 0);
    }
    case "record.removed":
      return 2;
    case "record.whole":
      return 1;
    case "roster":
      return 2 * peopleOf(data).length;
    default:
      return 0;
  }
}

/** Returns the lines of a roster. */
export function peopleOf(data: JsonObject): readonly { readonly badge: string; readonly a: number }[] {
  return data.people as unknown as { badge: string; a: number }[];
}

/** Returns true if producers of several kinds write a record, so that their words alone give no order. */
export function isMixed(record: string): boolean {
  return record.includes("mixed-");
}

export interface RandomSource {
  fraction(): number;
}

export function integerBelow(random: RandomSource, below: number): number {
  return Math.floor(random.fraction() * below);
}

export function pick<T>(random: RandomSource, items: readonly T[]): T {
  return items[integerBelow(random, items.length)] as T;
}

const malformedBodies = [
  "no event",
  "{",
  "[]",
  '{"id":1}',
  `{"id":"x","source":"s","type":"t","time":"${planted[0]}"}`,
];

/**
 * Plans one run: the given number of events with random actions between them.
 *
 * @param startMs the world's time at the start
 */
export function plan(random: RandomSource, events: number, startMs: number): Action[] {
  const actions: Action[] = [];
  const bodies: string[] = [];
  let late: Action[] = [];
  for (let n = 0; n < events; n++) {
    const action: Action = { do: "emit", body: bodyOf(random, n, startMs, bodies) };
    bodies.push(action.body);
    // Some events arrive out of order: later, together and in reverse order.
    if (random.fraction() < 0.15) late.unshift(action);
    else actions.push(action);
    for (let times = random.fraction() < 0.1 ? integerBelow(random, 5) + 1 : 0; times > 0; times--) late.push(action);
    if (random.fraction() < 0.1) {
      actions.push(...late);
      late = [];
    }
    if (random.fraction() < 0.7) actions.push(randomAction(random, startMs));
  }
  return [...actions, ...late];
}

function bodyOf(random: RandomSource, n: number, startMs: number, before: readonly string[]): string {
  const roll = random.fraction();
  if (roll < 0.03) return pick(random, malformedBodies);
  if (roll < 0.06 && before.length > 0) return pick(random, before);
  const event = { id: `e-${n}`, ...stampOf(random, n, startMs) };
  const kind = kindOf(random, event);
  const subject = `${kind}-${pick(random, entities)}`;
  if (roll < 0.08) return JSON.stringify({ ...event, type: "nobody.cares", subject, data: { a: n } });
  if (roll < 0.14) return JSON.stringify({ ...event, type: "record.removed", subject, data: {} });
  if (roll < 0.2) {
    return JSON.stringify({ ...event, type: "record.whole", subject, data: { a: n, b: -n } });
  }
  if (roll < 0.24) {
    const size = random.fraction() < 0.02 ? 501 + integerBelow(random, 20) : integerBelow(random, 6);
    const isKnown = random.fraction() < 0.5;
    const people = Array.from({ length: size }, (_, i) => ({
      badge: `${kind}-${isKnown ? entities[i % entities.length] : `p${integerBelow(random, 20) < 1 ? 0 : i}`}`,
      a: n,
    }));
    return JSON.stringify({ ...event, type: "roster", data: { people } });
  }
  return JSON.stringify({ ...event, type: "record.changed", subject, data: dataOf(random, n) });
}

function dataOf(random: RandomSource, n: number): JsonObject {
  const data: JsonObject = {};
  // Few values, so a value often repeats while another is in flight.
  const value = () => (random.fraction() < 0.1 ? null : random.fraction() < 0.5 ? integerBelow(random, 3) : n);
  if (random.fraction() < 0.7) data.a = value();
  if (random.fraction() < 0.5) data.b = value();
  if (random.fraction() < 0.1) data.note = pick(random, [...planted, "plain"]);
  if (random.fraction() < 0.1) data.old_a = integerBelow(random, 3);
  return data;
}

/**
 * Picks the beginning of a record's name. Each kind of producer has its own records, so that the producers' words give an
 * order, and some write the same. Sequences and the times of others are not mixed: no rule gives them one order.
 */
function kindOf(random: RandomSource, event: { readonly source: string }): string {
  if (event.source === "hms.counts") return "counted";
  if (random.fraction() < 0.15) return "mixed";
  return event.source === "hms.clock" ? "timed" : "plain";
}

/** Picks a source: one with a sequence, one with a clock that may be wrong, or one with neither. */
function stampOf(random: RandomSource, n: number, startMs: number) {
  const roll = random.fraction();
  const time = new Date(startMs + n * 1_000 + (random.fraction() < 0.05 ? 3_600_000 : -integerBelow(random, 600_000)));
  if (roll < 0.3) return { source: "hms.counts", ...(random.fraction() < 0.9 && { sequence: n }) };
  if (roll < 0.65) return { source: "hms.clock", time: time.toISOString() };
  return { source: "hms.plain" };
}

/** Picks among few lines, so one often repeats in the same or another snapshot, for the same or other targets. */
function backfill(random: RandomSource, startMs: number): Action {
  const line = () => (random.fraction() < 0.05 ? "{" : snapshotLine(integerBelow(random, 12), startMs));
  const all = ["record.latest", "record.blunt", "record.journal", "record.file", "record.mainframe"];
  const targets = random.fraction() < 0.5 ? all : [pick(random, all)];
  return { do: "backfill", lines: Array.from({ length: 1 + integerBelow(random, 6) }, line), targets };
}

/** Returns a snapshot line whose event has one packet for each requested target of `record`. */
export function snapshotLine(n: number, startMs: number): string {
  return JSON.stringify({
    ...{
      id: `old-${n}`,
      source: "hms.snapshot",
      type: "record.changed",
      subject: `timed-${entities[n % entities.length]}`,
    },
    ...{ time: new Date(startMs - n * 60_000).toISOString(), data: { a: n, b: -n } },
  });
}

function randomAction(random: RandomSource, startMs: number): Action {
  const target = integerBelow(random, 5);
  const roll = random.fraction();
  if (roll < 0.3) return { do: "mode", target, mode: random.fraction() < 0.4 ? "healthy" : pick(random, targetModes) };
  if (roll < 0.57) return { do: "wait", ms: pick(random, [100, 1_000, 5_000, 40_000, 200_000, 700_000]) };
  if (roll < 0.6) return backfill(random, startMs);
  if (roll < 0.63) return { do: "jump", ms: pick(random, [-3_600_000, 3_600_000, -10_000, 10_000]) };
  if (roll < 0.67) return { do: "sheets", variant: integerBelow(random, sheetVariants.length) };
  if (roll < 0.69) return { do: "policy", variant: integerBelow(random, policies.length) };
  if (roll < 0.72) return { do: "compliance", percent: pick(random, [0, 50, 50, 100]) };
  if (roll < 0.76) return { do: "pause", target, paused: random.fraction() < 0.5 };
  if (roll < 0.81) {
    return { do: "replay", force: random.fraction() < 0.4, ...(random.fraction() < 0.5 && { target }) };
  }
  if (roll < 0.82) return { do: "cancel" };
  if (roll < 0.86)
    return { do: "forget", target, ...(random.fraction() < 0.5 && { entity: `plain-${pick(random, entities)}` }) };
  if (roll < 0.88) return { do: "purge", target };
  if (roll < 0.9) return { do: "secret", isPresent: random.fraction() < 0.6 };
  if (roll < 0.92) return { do: "decide", decision: pick(random, ["release", "edit", "discard"]) };
  if (roll < 0.95) return { do: "faults", percent: pick(random, [0, 0, 1, 10, 50]) };
  return { do: "crashes", percent: pick(random, [0, 5, 20, 50]) };
}
