import { changeHealth, markDown, markUp } from "../../../bridge/delivery/circuit-breaker.ts";
import type { Engine } from "../../../bridge/engine.ts";
import { startJob } from "../../../bridge/jobs/job-runner.ts";
import { discard } from "../../../bridge/operations/discard.ts";
import { edit } from "../../../bridge/operations/edit.ts";
import type { Message } from "../../../bridge/ports/queue.ts";
import type { Expectation, Kind, Preparation } from "./kind.ts";

const changedSheet = `
source_event: record.changed
targets: { t: { connector: T, map: { a: a, b: b } } }
`;
const removedSheet = `
source_event: record.removed
targets: { t: { connector: T, action: delete } }
`;
const wholeSheet = `
source_event: record.whole
targets: { t: { connector: T, map: { a: a, b: b }, send: full } }
`;

const records = { changed: changedSheet, removed: removedSheet, whole: wholeSheet };

/** An event about the one record. Its number makes its id. */
interface EventSpec {
  readonly type?: "changed" | "removed" | "whole";
  readonly data?: object;
  readonly sequence?: number;
  readonly subject?: string;
  /** Time in seconds after the start of the world. */
  readonly second?: number;
}

const startMs = Date.parse("2026-03-01T11:50:00Z");

async function emit({ core }: Preparation, events: readonly EventSpec[], first = 1): Promise<readonly Message[]> {
  const bodies = events.map(({ type = "changed", data = {}, sequence, second, subject = "r1" }, i) =>
    JSON.stringify({
      ...{ id: `e-${first + i}`, source: "hms.one", type: `record.${type}`, subject, data },
      ...(sequence !== undefined && { sequence }),
      ...(second !== undefined && { time: new Date(startMs + second * 1_000).toISOString() }),
    }),
  );
  await core.emit(...bodies);
  return [];
}

async function deliverAll({ core, engine }: Preparation): Promise<void> {
  await core.run(engine);
}

const mapAndDeliver = ["map", "lane"] as const;

/** Kind of events alone, which both workers map and deliver. */
function plain(name: string, events: readonly EventSpec[], expected: Expectation, more: Partial<Kind> = {}): Kind {
  return {
    name,
    target: {},
    sheets: records,
    workers: [mapAndDeliver, mapAndDeliver],
    events: events.length,
    expected,
    ...more,
    async prepare(start) {
      // Records the version of the sheets, which the first event of each version does.
      await emit(start, [{ subject: "first", data: { a: 0 } }], 0);
      await deliverAll(start);
      return more.prepare ? more.prepare(start) : emit(start, events);
    },
  };
}

/** Kind of events about a record that the target already holds as `{ a: 0, b: 0 }`. */
function onExisting(name: string, events: readonly EventSpec[], end: Expectation["end"]): Kind {
  return plain(
    name,
    events,
    { end },
    {
      events: events.length + 1,
      async prepare(start) {
        await emit(start, [{ data: { a: 0, b: 0 } }], 90);
        await deliverAll(start);
        return emit(start, events);
      },
    },
  );
}

const a = (value: number, more: Omit<EventSpec, "data" | "type"> = {}): EventSpec => ({ data: { a: value }, ...more });
const removal: EventSpec = { type: "removed" };

async function heldPacket({ store }: Engine) {
  const { items } = await store.packets({ statuses: ["HELD"], limit: 1 });
  return items[0]?.packet;
}

async function editHeld(engine: Engine): Promise<void> {
  const packet = await heldPacket(engine);
  const [stored] = packet ? await engine.store.read("packet", [packet.id]) : [];
  if (!packet || !stored) return;
  await edit(
    engine,
    { id: packet.id, etag: stored.etag, fields: { a: 1.5 } },
    { actor: "jo", reason: "a typing error" },
  );
}

async function discardHeld(engine: Engine): Promise<void> {
  const packet = await heldPacket(engine);
  if (packet) await discard(engine, packet.id, { actor: "jo", reason: "not needed" });
}

/** Every kind with two events. */
export const pairs: readonly Kind[] = [
  plain("upsert and upsert of the same field", [a(1), a(2)], { end: { a: 2 } }),
  plain("upsert and upsert of another field", [a(1), { data: { b: 2 } }], { end: { a: 1, b: 2 } }),
  onExisting("upsert and delete", [a(1), removal], undefined),
  onExisting("delete and upsert", [removal, a(2)], { a: 2 }),
  onExisting("delete and delete", [removal, removal], undefined),
  plain("full and changed", [{ type: "whole", data: { a: 1, b: 1 } }, { data: { b: 2 } }], { end: { a: 1, b: 2 } }),
  plain("changed and full", [{ data: { b: 1 } }, { type: "whole", data: { a: 2, b: 2 } }], { end: { a: 2, b: 2 } }),
  plain("sequenced, the newer first", [a(2, { sequence: 2 }), a(1, { sequence: 1 })], { end: { a: 2 } }),
  plain("with time, the newer first", [a(2, { second: 20 }), a(1, { second: 10 })], { end: { a: 2 } }),
  plain(
    "a redelivery of the same messages",
    [a(1), a(2)],
    { end: { a: 2 } },
    {
      workers: [["redelivered"], ["redelivered"]],
      async prepare(start) {
        await emit(start, [a(1), a(2)]);
        await start.core.map(start.engine);
        return start.engine.queue.receive(`lane:${start.connector}`, { max: 10, visibilityMs: 180_000, waitMs: 0 });
      },
    },
  ),
  plain(
    "a repeated event",
    [a(1), a(2)],
    { end: { a: 2 } },
    {
      repeats: 1,
      workers: [
        ["map", "map", "lane"],
        ["map", "lane"],
      ],
      async prepare(start) {
        await emit(start, [a(1), a(2)]);
        return emit(start, [a(1)]);
      },
    },
  ),
  plain(
    "a replay of one beside another",
    [a(1), a(2)],
    { end: { a: 2 } },
    {
      workers: [["jobs", "lane"], mapAndDeliver],
      async prepare(start) {
        await emit(start, [a(1)]);
        await deliverAll(start);
        await start.core.clock.advance(1_000);
        const request = { from: 0, to: start.core.clock.now(), force: true };
        await startJob(start.core.engine, { kind: "replay", request, actor: "jo" });
        return emit(start, [a(2)], 2);
      },
    },
  ),
  plain(
    "an edit beside a delivery",
    [a(1), a(2)],
    { end: { a: 2 } },
    {
      workers: [[editHeld, "lane"], mapAndDeliver],
      answers: ({ fields }) => (fields.a === 1 ? "refuse" : "ok"),
      async prepare(start) {
        await emit(start, [a(1)]);
        await deliverAll(start);
        return emit(start, [a(2)], 2);
      },
      finally: discardHeld,
    },
  ),
  plain("strict and strict", [a(1), a(2)], { end: { a: 2 }, inOrder: [1, 2] }, { target: { order: "strict" } }),
  plain(
    "strict with a held head",
    [a(1), a(2)],
    { end: { a: 2 }, inOrder: [2] },
    {
      target: { order: "strict" },
      answers: ({ fields }) => (fields.a === 1 ? "refuse" : "ok"),
      finally: discardHeld,
    },
  ),
  plain(
    "a retry and the next",
    [a(1), a(2)],
    { end: { a: 2 } },
    {
      workers: [
        ["map", "lane"],
        ["map", "lane", "lane"],
      ],
      answers: ({ fields }, attempt) => (fields.a === 1 && attempt === 1 ? "fail" : "ok"),
    },
  ),
  plain(
    "an outbox being redriven and a live change",
    [a(1), a(2)],
    { end: { a: 2 } },
    {
      workers: [["maintain", "lane"], mapAndDeliver],
      async prepare(start) {
        await emit(start, [a(1)]);
        await start.core.map(start.engine);
        await changeHealth(start.core.engine, start.connector, markDown);
        await deliverAll(start);
        await changeHealth(start.core.engine, start.connector, markUp);
        return emit(start, [a(2)], 2);
      },
    },
  ),
];

const mapTwice = ["map", "map", "lane"] as const;

/** Kinds with three events. They take longer than CI has. */
export const triples: readonly Kind[] = [
  plain(
    "three upserts of the same field",
    [a(1), a(2), a(3)],
    { end: { a: 3 } },
    { workers: [mapTwice, mapAndDeliver] },
  ),
  plain(
    "upsert, delete and upsert",
    [a(1), removal, { data: { b: 3 } }],
    { end: { b: 3 } },
    {
      workers: [mapTwice, mapAndDeliver],
    },
  ),
  plain(
    "three to a strict target",
    [a(1), a(2), a(3)],
    { end: { a: 3 }, inOrder: [1, 2, 3] },
    {
      target: { order: "strict" },
      workers: [mapTwice, mapAndDeliver],
    },
  ),
];
