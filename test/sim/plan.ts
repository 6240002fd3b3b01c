import type { JsonObject } from "../../bridge/values/json.ts";
import { type Mood, moods } from "./mood.ts";

/** Something that happens to the bridge from outside. */
export type Act =
  | { readonly do: "emit"; readonly body: string }
  | { readonly do: "mood"; readonly target: number; readonly mood: Mood }
  | { readonly do: "wait"; readonly ms: number }
  /** The machine's clock is set, forward or back. */
  | { readonly do: "jump"; readonly ms: number }
  | { readonly do: "sheets"; readonly variant: number }
  | { readonly do: "policy"; readonly variant: number }
  | { readonly do: "pause"; readonly target: number; readonly paused: boolean }
  | { readonly do: "replay"; readonly force: boolean; readonly target?: number }
  | { readonly do: "cancel" }
  /** A snapshot with these lines, to these targets. */
  | { readonly do: "backfill"; readonly lines: readonly string[]; readonly targets: readonly string[] }
  | { readonly do: "forget"; readonly target: number; readonly entity?: string }
  | { readonly do: "secret"; readonly there: boolean }
  /** Somebody empties a connector's lane queue and outbox. */
  | { readonly do: "purge"; readonly target: number }
  /** Makes this percentage of port calls fail from now on, before their effect or after it. */
  | { readonly do: "faults"; readonly percent: number }
  /** From now on so many of a hundred processes end in the middle, and so many stand still for minutes. */
  | { readonly do: "deaths"; readonly percent: number };

/** Personal data that events carry: it may appear in no log line and no ledger entry, and reach no target. */
export const planted = ["123-45-6789", "alice@agency.example", "4111 1111 1111 1111"];
export const token = "s3cr3t-of-the-latest";

const entities = ["r1", "r2", "r3", "r4"];

/** Sheets by name; the second form calls a field by another name. */
export const sheetForms: readonly Readonly<Record<string, string>>[] = ["note", "remark"].map((note) => ({
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
targets: { latest: { connector: Latest, for_each: data.people, key: badge, map: { a: a } } }
`,
}));

export const policies = ["otherwise: block", "otherwise: mask"];

/** Number of packets an event must become, computed from its body alone. */
export function packetsOf(event: { readonly type?: unknown; readonly data?: unknown }): number {
  const data = (event.data ?? {}) as JsonObject;
  switch (event.type) {
    case "record.changed": {
      const changed = (name: string) =>
        Object.hasOwn(data, name) && (!Object.hasOwn(data, `old_${name}`) || data[`old_${name}`] !== data[name]);
      const latest = ["a", "b", "note"].some(changed) ? 1 : 0;
      return latest + (["a", "b"].some(changed) ? 2 : 0) + (changed("a") ? 2 : 0);
    }
    case "record.removed":
      return 2;
    case "record.whole":
      return 1;
    case "roster":
      return (data.people as unknown[]).length;
    default:
      return 0;
  }
}

export interface Chance {
  fraction(): number;
}

export function upTo(random: Chance, below: number): number {
  return Math.floor(random.fraction() * below);
}

export function oneOf<T>(random: Chance, items: readonly T[]): T {
  return items[upTo(random, items.length)] as T;
}

const malformedBodies = [
  "no event",
  "{",
  "[]",
  '{"id":1}',
  `{"id":"x","source":"s","type":"t","time":"${planted[0]}"}`,
];

/**
 * Plans one run: the given number of events, and everything else between them.
 *
 * @param startMs the world's time when it begins
 */
export function plan(random: Chance, events: number, startMs: number): Act[] {
  const acts: Act[] = [];
  const bodies: string[] = [];
  let late: Act[] = [];
  for (let n = 0; n < events; n++) {
    const act: Act = { do: "emit", body: bodyOf(random, n, startMs, bodies) };
    bodies.push(act.body);
    // Out of order: some come only later, all together and backwards.
    if (random.fraction() < 0.15) late.unshift(act);
    else acts.push(act);
    for (let times = random.fraction() < 0.1 ? upTo(random, 5) + 1 : 0; times > 0; times--) late.push(act);
    if (random.fraction() < 0.1) {
      acts.push(...late);
      late = [];
    }
    if (random.fraction() < 0.7) acts.push(happening(random, startMs));
  }
  return [...acts, ...late];
}

function bodyOf(random: Chance, n: number, startMs: number, before: readonly string[]): string {
  const roll = random.fraction();
  if (roll < 0.03) return oneOf(random, malformedBodies);
  if (roll < 0.06 && before.length > 0) return oneOf(random, before);
  const event = { id: `e-${n}`, ...stampOf(random, n, startMs) };
  const entity = oneOf(random, entities);
  const subject = "sequence" in event ? `counted-${entity}` : entity;
  if (roll < 0.08) return JSON.stringify({ ...event, type: "nobody.cares", subject, data: { a: n } });
  if (roll < 0.14) return JSON.stringify({ ...event, type: "record.removed", subject, data: {} });
  if (roll < 0.2) {
    return JSON.stringify({ ...event, type: "record.whole", subject: `whole-${subject}`, data: { a: n, b: -n } });
  }
  if (roll < 0.24) {
    const size = random.fraction() < 0.02 ? 501 + upTo(random, 20) : upTo(random, 6);
    // One that counts against a clock of its own has records of its own: with others it could be in a circle.
    const counted = "sequence" in event ? "counted-" : "";
    const people = Array.from({ length: size }, (_, i) => ({
      badge: `${counted}p${upTo(random, 20) < 1 ? 0 : i}`,
      a: n,
    }));
    return JSON.stringify({ ...event, type: "roster", data: { people } });
  }
  return JSON.stringify({ ...event, type: "record.changed", subject, data: dataOf(random, n) });
}

function dataOf(random: Chance, n: number): JsonObject {
  const data: JsonObject = {};
  // Few values, so that one comes again while another is on its way.
  const value = () => (random.fraction() < 0.1 ? null : random.fraction() < 0.5 ? upTo(random, 3) : n);
  if (random.fraction() < 0.7) data.a = value();
  if (random.fraction() < 0.5) data.b = value();
  if (random.fraction() < 0.1) data.note = oneOf(random, [...planted, "plain"]);
  if (random.fraction() < 0.1) data.old_a = upTo(random, 3);
  return data;
}

/** One source counts, one has a clock that may be wrong, one has neither. */
function stampOf(random: Chance, n: number, startMs: number) {
  const roll = random.fraction();
  const time = new Date(startMs + n * 1_000 + (random.fraction() < 0.05 ? 3_600_000 : -upTo(random, 600_000)));
  if (roll < 0.3) return { source: "hms.counts", sequence: n };
  if (roll < 0.65) return { source: "hms.clock", time: time.toISOString() };
  return { source: "hms.plain" };
}

/** Few lines, so that one comes again, in the same snapshot or in another, for the same targets or for others. */
function backfill(random: Chance, startMs: number): Act {
  const line = () => (random.fraction() < 0.05 ? "{" : snapshotLine(upTo(random, 12), startMs));
  const all = ["record.latest", "record.blunt", "record.journal", "record.file", "record.mainframe"];
  const targets = random.fraction() < 0.5 ? all : [oneOf(random, all)];
  return { do: "backfill", lines: Array.from({ length: 1 + upTo(random, 6) }, line), targets };
}

/** The event of a snapshot: one packet for each target of `record` it is filled back to. */
export function snapshotLine(n: number, startMs: number): string {
  return JSON.stringify({
    ...{ id: `old-${n}`, source: "hms.snapshot", type: "record.changed", subject: entities[n % entities.length] },
    ...{ time: new Date(startMs - n * 60_000).toISOString(), data: { a: n, b: -n } },
  });
}

function happening(random: Chance, startMs: number): Act {
  const target = upTo(random, 5);
  const roll = random.fraction();
  if (roll < 0.3) return { do: "mood", target, mood: random.fraction() < 0.4 ? "well" : oneOf(random, moods) };
  if (roll < 0.57) return { do: "wait", ms: oneOf(random, [100, 1_000, 5_000, 40_000, 200_000, 700_000]) };
  if (roll < 0.6) return backfill(random, startMs);
  if (roll < 0.63) return { do: "jump", ms: oneOf(random, [-3_600_000, 3_600_000, -10_000, 10_000]) };
  if (roll < 0.67) return { do: "sheets", variant: upTo(random, sheetForms.length) };
  if (roll < 0.71) return { do: "policy", variant: upTo(random, policies.length) };
  if (roll < 0.76) return { do: "pause", target, paused: random.fraction() < 0.5 };
  if (roll < 0.81) {
    return { do: "replay", force: random.fraction() < 0.4, ...(random.fraction() < 0.5 && { target }) };
  }
  if (roll < 0.82) return { do: "cancel" };
  if (roll < 0.86) return { do: "forget", target, ...(random.fraction() < 0.5 && { entity: oneOf(random, entities) }) };
  if (roll < 0.88) return { do: "purge", target };
  if (roll < 0.9) return { do: "secret", there: random.fraction() < 0.6 };
  if (roll < 0.95) return { do: "faults", percent: oneOf(random, [0, 0, 1, 10, 50]) };
  return { do: "deaths", percent: oneOf(random, [0, 5, 20, 50]) };
}
