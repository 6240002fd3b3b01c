import type { Engine } from "../engine.ts";
import { append, tailOf } from "../ledger/chain.ts";
import type { EventRecord } from "../model/event-record.ts";
import { isClosed, type LedgerEntry } from "../model/ledger-entry.ts";
import type { PacketRecord } from "../model/packet-record.ts";
import type { Erasing } from "../ports/records.ts";
import type { Put, Stored, StorePort } from "../ports/store.ts";
import { inWrites, weigh } from "../recording/transaction-size.ts";

/** Interval of the search for expired payloads. If a round does not reach the end, the next follows at once. */
const roundMs = 3_600_000;

/** Packets, and events, looked at in one round, and at a time. */
const roundLooked = 2_000;
const page = 100;

/** Most expired but unfinished records that are kept for the next round. With more, the newer ones wait. */
const maxLeft = 1_000;

/** There is one record of it. */
const erasingId = "erasing";

type Kind = "packet" | "event";

/** Search and erasure of records of one kind. */
interface Erasable<K extends Kind> {
  readonly kind: K;
  /** The next page of old ones, and where the one after it begins: nowhere, if this is the last for now. */
  page(store: StorePort, before: number, after: string | undefined): Promise<OldOnes>;
  /** Nothing where there is nothing to erase. */
  erasure(at: number, id: string, stored: Stored<K>): Erasure | "later" | undefined;
}

interface OldOnes {
  readonly ids: readonly string[];
  readonly after: string | undefined;
}

interface Erasure {
  readonly put: Put;
  readonly entry: LedgerEntry;
}

/**
 * Erases what packets and events carried, once they are older than the retention time and over: values, targets'
 * answers, malformed bodies. Names, hashes and the ledger stay, so that what was done can still be shown and verified.
 *
 * What is still open, or on its way, keeps its values, and loses them in the first round after its end. An operator's
 * own acts are no payload, and stay.
 */
export async function purgeExpired(engine: Engine): Promise<void> {
  const { store, clock, times } = engine;
  const [stored] = await store.read("erasing", [erasingId]);
  const state: Erasing = stored?.value ?? { at: 0, after: {}, left: { packet: [], event: [] } };
  const now = clock.now();
  if (now - state.at < roundMs) return;

  const before = now - times.retentionMs;
  const packets = await eraseRound(engine, packetErasable, state, before);
  const events = await eraseRound(engine, eventErasable, state, before);
  const value: Erasing = {
    at: packets.isDone && events.isDone ? now : state.at,
    after: { ...packets.after, ...events.after },
    left: { packet: packets.left, event: events.left },
  };
  const erased = packets.erased + events.erased;
  if (erased > 0) engine.log({ step: "erased", packets: packets.erased, events: events.erased });
  // A conflict is another process's round: what either has erased is erased.
  await store.write([{ kind: "erasing", id: erasingId, value, etag: stored?.etag ?? 0 }]);
}

async function eraseRound<K extends Kind>(engine: Engine, erasable: Erasable<K>, state: Erasing, before: number) {
  const { kind } = erasable;
  const again = await eraseAll(engine, erasable, state.left[kind]);
  const left = new Set(again.left);
  let { erased } = again;
  let after = state.after[kind];
  let isDone = false;
  for (let looked = 0; looked < roundLooked && left.size < maxLeft && !isDone; ) {
    const found = await erasable.page(engine.store, before, after);
    const done = await eraseAll(engine, erasable, found.ids);
    for (const id of done.left) left.add(id);
    erased += done.erased;
    looked += found.ids.length;
    isDone = found.after === undefined;
    after = found.after ?? after;
  }
  return {
    erased,
    left: [...left],
    after: after === undefined ? {} : { [kind]: after },
    isDone: isDone || left.size >= maxLeft,
  };
}

/** @returns how many were erased, and which have to wait */
async function eraseAll<K extends Kind>(engine: Engine, { kind, erasure }: Erasable<K>, ids: readonly string[]) {
  const stored = await engine.store.read(kind, ids);
  const left: string[] = [];
  const erasures: Erasure[] = [];
  const moved: string[] = [];
  for (const [i, id] of ids.entries()) {
    const found = stored[i];
    const made = found && erasure(engine.clock.now(), id, found);
    if (made === "later") left.push(id);
    else if (made !== undefined) erasures.push(made);
  }
  for (const group of inWrites(erasures, ({ put, entry }) => weigh([put], [entry]))) {
    if ((await write(engine, group)) === "written") continue;
    // One of them has moved on meanwhile.
    for (const one of group) if ((await write(engine, [one])) === "conflict") moved.push(one.put.id);
  }
  return { erased: erasures.length - moved.length, left: [...left, ...moved] };
}

function write(engine: Engine, erasures: readonly Erasure[]): Promise<"written" | "conflict"> {
  return engine.store.write(
    erasures.map(({ put }) => put),
    erasures.map(({ entry }) => entry),
  );
}

const packetErasable: Erasable<"packet"> = {
  kind: "packet",
  async page(store, before, after) {
    const { items, next } = await store.packets({ to: before, limit: page, ...(after !== undefined && { after }) });
    return { ids: items.map(({ packet }) => packet.id), after: next };
  },
  erasure(at, id, { value, etag }) {
    const { packet, progress } = value;
    if (progress.erasedAt !== undefined) return undefined;
    if (!isClosed(progress.status)) return "later";
    const entry = append(id, { tail: progress.tail, step: progress.status }, { at, step: "ERASED", facts: {} });
    const { answer: _, ...kept } = progress;
    const erased: PacketRecord = {
      ...value,
      packet: { ...packet, fields: {} },
      progress: { ...kept, tail: tailOf(entry), erasedAt: at },
    };
    return { put: { kind: "packet", id, value: erased, etag, erases: value }, entry };
  },
};

const eventErasable: Erasable<"event"> = {
  kind: "event",
  async page(store, before, after) {
    const events = await store.events({ to: before * 1_000, limit: page, ...(after !== undefined && { after }) });
    return { ids: events.map(({ key }) => key), after: events.at(-1)?.position };
  },
  erasure(at, id, { value, etag }) {
    if (value.erased !== undefined || value.status === "NOTED") return undefined;
    if (value.unsent || value.status === "EXPANDING") return "later";
    const entry = append(id, value, { at, step: "ERASED", facts: {} });
    const { event, raw: _, ...kept } = value;
    const erased: EventRecord = {
      ...kept,
      erased: { at, ...(event && { source: event.source, type: event.type }) },
      step: entry.step,
      tail: tailOf(entry),
    };
    return { put: { kind: "event", id, value: erased, etag, erases: value }, entry };
  },
};
