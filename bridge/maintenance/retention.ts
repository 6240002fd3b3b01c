import type { Engine } from "../engine.ts";
import { append, tailOf } from "../ledger/chain.ts";
import type { EventRecord } from "../model/event-record.ts";
import { isClosed, type LedgerEntry } from "../model/ledger-entry.ts";
import type { PacketRecord } from "../model/packet-record.ts";
import type { RetentionState } from "../ports/records.ts";
import type { Put, Stored, StorePort } from "../ports/store.ts";
import { inWrites, weigh } from "../recording/transaction-size.ts";
import { isPast } from "../values/stored-time.ts";

/** Interval between two runs. If a run leaves expired records unscanned, the next one follows at once. */
const roundMs = 3_600_000;

/** Number of packets, and number of events, scanned per run. */
const roundScanned = 2_000;
/** Records per read. */
const page = 100;

/** Number of expired but open records at which the scan pauses. They are kept in a list that every run checks again. */
const maxLeft = 1_000;

/** Id of the only record with the state of the scan. */
const erasingId = "erasing";

type Kind = "packet" | "event";

/** Finds and erases records of one kind. */
interface Erasable<K extends Kind> {
  readonly kind: K;
  /** Reads the next page of expired records. Its `after` is absent if it is the last page for now. */
  page(store: StorePort, before: number, after: string | undefined): Promise<ExpiredPage>;
  /** Returns `later` if the record is still open, `undefined` if it has nothing to erase. */
  erasure(at: number, id: string, stored: Stored<K>): Erasure | "later" | undefined;
}

interface ExpiredPage {
  readonly ids: readonly string[];
  readonly after: string | undefined;
}

interface Erasure {
  readonly put: Put;
  readonly entry: LedgerEntry;
}

/**
 * Erases the payload of closed packets and events older than the retention period: values, responses of targets and
 * malformed bodies. Names, hashes and ledger entries are kept, so the history can still be shown and verified.
 *
 * An open packet or event keeps its payload until the first run after it is closed. Audit events are kept.
 */
export async function purgeExpired(engine: Engine): Promise<void> {
  const { store, clock, times } = engine;
  const [stored] = await store.read("erasing", [erasingId]);
  const state: RetentionState = stored?.value ?? { at: 0, after: {}, left: { packet: [], event: [] } };
  const now = clock.now();
  if (!isPast(state.at, now, roundMs)) return;

  const before = now - times.retentionMs;
  const packets = await eraseRound(engine, packetErasable, state, before);
  const events = await eraseRound(engine, eventErasable, state, before);
  const value: RetentionState = {
    at: packets.isDone && events.isDone ? now : state.at,
    after: { ...packets.after, ...events.after },
    left: { packet: packets.left, event: events.left },
  };
  const erased = packets.erased + events.erased;
  if (erased > 0) engine.log({ step: "erased", packets: packets.erased, events: events.erased });
  // A conflict means that another process ran at the same time. The erasures of both are valid.
  await store.write([{ kind: "erasing", id: erasingId, value, etag: stored?.etag ?? 0 }]);
}

async function eraseRound<K extends Kind>(
  engine: Engine,
  erasable: Erasable<K>,
  state: RetentionState,
  before: number,
) {
  const { kind } = erasable;
  const waiting = await eraseAll(engine, erasable, state.left[kind]);
  const left = new Set(waiting.left);
  let { erased } = waiting;
  let after = state.after[kind];
  let isDone = false;
  for (let scanned = 0; scanned < roundScanned && left.size < maxLeft && !isDone; ) {
    const found = await erasable.page(engine.store, before, after);
    const done = await eraseAll(engine, erasable, found.ids);
    for (const id of done.left) left.add(id);
    erased += done.erased;
    scanned += found.ids.length;
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

/** @returns number of erased records, and the ids of those that have to wait */
async function eraseAll<K extends Kind>(engine: Engine, { kind, erasure }: Erasable<K>, ids: readonly string[]) {
  const stored = await engine.store.read(kind, ids);
  const left: string[] = [];
  const erasures: Erasure[] = [];
  const changed: string[] = [];
  for (const [i, id] of ids.entries()) {
    const found = stored[i];
    const result = found && erasure(engine.clock.now(), id, found);
    if (result === "later") left.push(id);
    else if (result !== undefined) erasures.push(result);
  }
  for (const group of inWrites(erasures, ({ put, entry }) => weigh([put], [entry]))) {
    if ((await write(engine, group)) === "written") continue;
    // One of the records changed since it was read.
    for (const one of group) if ((await write(engine, [one])) === "conflict") changed.push(one.put.id);
  }
  return { erased: erasures.length - changed.length, left: [...left, ...changed] };
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
