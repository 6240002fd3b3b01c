import {
  BatchGetCommand,
  DeleteCommand,
  type DynamoDBDocumentClient,
  QueryCommand,
  type QueryCommandInput,
  ScanCommand,
} from "@aws-sdk/lib-dynamodb";
import type { SourceEvent } from "../../bridge/model/event.ts";
import type { EventRecord } from "../../bridge/model/event-record.ts";
import { type LanePlace, placeOf } from "../../bridge/model/lane.ts";
import {
  type EventStatus,
  eventStatuses,
  type LedgerEntry,
  type Status,
  statuses,
} from "../../bridge/model/ledger-entry.ts";
import type { Packet } from "../../bridge/model/packet.ts";
import { packetPredicate } from "../../bridge/model/packet-filter.ts";
import type { PacketRecord, Progress } from "../../bridge/model/packet-record.ts";
import type { Clock } from "../../bridge/ports/clock.ts";
import type { Records } from "../../bridge/ports/records.ts";
import type {
  EventQuery,
  FoundEvent,
  Kind,
  PacketQuery,
  Page,
  Put,
  Reservation,
  Stored,
  StorePort,
  Tally,
} from "../../bridge/ports/store.ts";
import { withoutMark, writeConfirmed } from "../../bridge/recording/read-back.ts";
import { checkWeight } from "../../bridge/recording/transaction-size.ts";
import { batchesOf } from "../../bridge/values/batched.ts";
import { BridgeError } from "../../bridge/values/bridge-error.ts";
import { systemRandom } from "../clock.ts";
import { packetIndexes } from "./names.ts";
import {
  eventPosition,
  heldPrefix,
  itself,
  jobsKey,
  type Key,
  keyOf,
  laneKey,
  ledgerStatement,
  pieceKeys,
  putStatements,
  recordForm,
  reservedKey,
  type Statement,
  unsentKey,
} from "./partiql.ts";
import { pad, readIndex } from "./sharded-index.ts";
import { WriteCombiner } from "./write-combiner.ts";

/** Most keys in one read. Source: DynamoDB, `BatchGetItem`. */
const maxKeys = 100;

/**
 * Longest time from an event's acceptance until every reader of an index sees it: a mapper's timeout plus the index's
 * delay. Readers of the event stream stay this far behind, so that no event appears before one they have already read.
 */
const settlingMs = 35_000;

/** Packets scanned for one page: about 10 calls. */
const maxScanned = 1_000;

/** Sorts after every id. */
const end = "~";

export interface AwsStoreOptions {
  readonly client: DynamoDBDocumentClient;
  readonly packetsTable: string;
  readonly ledgerTable: string;
  readonly clock: Pick<Clock, "now" | "sleep">;
}

type Item = Record<string, unknown>;

/** The packets table and the ledger on DynamoDB. */
export class AwsStore implements StorePort {
  readonly eventsSettleMs = settlingMs;
  readonly #options: AwsStoreOptions;
  readonly #writer: WriteCombiner;

  constructor(options: AwsStoreOptions) {
    this.#options = options;
    this.#writer = new WriteCombiner(options.client);
  }

  async read<K extends Kind>(kind: K, ids: readonly string[]): Promise<(Stored<K> | undefined)[]> {
    return (await this.#readMarked(kind, ids)).map((stored) => stored && unmarked(kind, stored));
  }

  async #readMarked<K extends Kind>(kind: K, ids: readonly string[]): Promise<(Stored<K> | undefined)[]> {
    const keys = ids.map((id) => keyOf(kind, id));
    const items = await this.#getWhole(keys);
    return keys.map((key) => {
      const item = items.get(nameOf(key));
      return item && storedIn(kind, item);
    });
  }

  /** Reads records with their bodies. A large body is stored in pieces next to its record. */
  async #getWhole(keys: readonly Key[]): Promise<Map<string, Item>> {
    const items = await this.#get(keys);
    const large = [...items.values()].filter(({ pieces }) => pieces !== undefined);
    if (large.length === 0) return items;
    const pieces = await this.#get(large.flatMap(pieceKeys));
    for (const item of large) {
      const texts = pieceKeys(item).map((key) => pieces.get(nameOf(key))?.text);
      if (texts.includes(undefined)) throw new Error(`${item.pk} lacks a piece of its body; restore the table`);
      items.set(nameOf(item), { ...item, body: texts.join("") });
    }
    return items;
  }

  /** Reads items consistently, in batches. Retries keys that DynamoDB leaves unprocessed. */
  async #get(keys: readonly Key[]): Promise<Map<string, Item>> {
    const { client, packetsTable, clock } = this.#options;
    const wanted = [...new Map(keys.map((key) => [nameOf(key), key])).values()];
    const found = new Map<string, Item>();
    for (let i = 0; i < wanted.length; i += maxKeys) {
      let left: Item[] = wanted.slice(i, i + maxKeys).map((key) => ({ ...key }));
      for (let waitMs = 20; left.length > 0; waitMs *= 2) {
        const { Responses, UnprocessedKeys } = await client.send(
          new BatchGetCommand({ RequestItems: { [packetsTable]: { Keys: left, ConsistentRead: true } } }),
        );
        for (const item of Responses?.[packetsTable] ?? []) found.set(nameOf(item), item);
        const before = left.length;
        left = UnprocessedKeys?.[packetsTable]?.Keys ?? [];
        if (left.length > 0 && waitMs > 1_000) throw new Error("DynamoDB keeps leaving keys unread; it is throttled");
        if (left.length === before) await clock.sleep(waitMs);
      }
    }
    return found;
  }

  /**
   * A statement alone is not idempotent, so it is read back if the answer is `conflict`. A transaction needs no reading
   * back: the SDK sends the same token with each repetition, and DynamoDB repeats its first answer.
   */
  async write(puts: readonly Put[], entries: readonly LedgerEntry[] = []): Promise<"written" | "conflict"> {
    checkWeight(puts, entries);
    const statements = this.#statementsOf(puts, entries);
    if (statements.length > 1) return this.#writer.write(statements);
    const write = async (marked: readonly Put[]) => this.#writer.write(this.#statementsOf(marked, entries));
    return writeConfirmed({ read: (kind, ids) => this.#readMarked(kind, ids), write }, systemRandom, puts, entries);
  }

  #statementsOf(puts: readonly Put[], entries: readonly LedgerEntry[]): Statement[] {
    const { packetsTable, ledgerTable } = this.#options;
    return [
      ...puts.flatMap((put) => putStatements(packetsTable, put)),
      ...entries.map((entry) => ledgerStatement(ledgerTable, entry)),
    ];
  }

  async packets(query: PacketQuery): Promise<Page<PacketRecord>> {
    const { connector, statuses: wanted, from = 0, to = Number.MAX_SAFE_INTEGER, newestFirst = false } = query;
    const { after } = query;
    const bounds = newestFirst
      ? { from: pad(from), to: after ?? pad(to) }
      : { from: after === undefined ? pad(from) : `${after}${end}`, to: pad(to) };
    const isHeld = wanted?.length === 1 && wanted[0] === "HELD";
    const pointers = readIndex(this.#options.client, {
      ...(isHeld ? { ...this.#index("waiting"), prefix: heldPrefix } : { ...this.#index("time"), prefix: "packet" }),
      newestFirst,
      ...bounds,
    });
    const fits = packetPredicate(query);
    return this.#packetPage(
      pointers,
      query.limit,
      (record) =>
        (connector === undefined || record.packet.connector === connector) &&
        (wanted === undefined || wanted.includes(record.progress.status)) &&
        (fits?.(record) ?? true),
    );
  }

  async waiting(
    connector: string,
    { from = 0, before, limit, after }: { from?: number; before: number; limit: number; after?: string },
  ): Promise<Page<PacketRecord>> {
    const pointers = readIndex(this.#options.client, {
      ...this.#index("waiting"),
      prefix: connector,
      from: after === undefined ? pad(from) : `${after}${end}`,
      to: pad(before),
    });
    // The index may lag behind the table, so the table's status decides.
    return this.#packetPage(pointers, limit, ({ progress: { status } }) => status === "QUEUED" || status === "RETRY");
  }

  async #packetPage(
    pointers: AsyncGenerator<{ pk: string; at: string }>,
    limit: number,
    fits: (record: PacketRecord) => boolean,
  ): Promise<Page<PacketRecord>> {
    const items: PacketRecord[] = [];
    let scanned = 0;
    let last: string | undefined;
    for await (const batch of batchesOf(pointers, Math.min(limit, maxKeys))) {
      if (scanned >= maxScanned && last !== undefined) return { items, next: last };
      scanned += batch.length;
      last = batch.at(-1)?.at;
      const found = await this.#getWhole(batch.map(({ pk }) => ({ pk, sk: itself })));
      for (const { pk, at } of batch) {
        const item = found.get(nameOf({ pk, sk: itself }));
        if (!item) continue;
        const record = storedIn("packet", item).value;
        if (!fits(record)) continue;
        items.push(record);
        if (items.length === limit) return { items, next: at };
      }
    }
    return { items };
  }

  async unsent(connector: string, limit: number): Promise<Stored<"packet">[]> {
    const marks = await this.#query(unsentKey(connector), limit);
    const packets = await this.read(
      "packet",
      marks.map((mark) => mark.id as string),
    );
    const found = new Map<string, Stored<"packet">>();
    for (const [i, mark] of marks.entries()) {
      const stored = packets[i];
      if (stored?.value.progress.unsent) found.set(mark.id as string, stored);
      else await this.#deleteMark(mark);
    }
    return [...found.values()];
  }

  async #deleteMark({ pk, sk }: Item): Promise<void> {
    await this.#options.client.send(new DeleteCommand({ TableName: this.#options.packetsTable, Key: { pk, sk } }));
  }

  async lanePlaces(lane: string, limit: number): Promise<LanePlace[]> {
    // The lane's progress is in the same partition, before its places.
    const items = (await this.#query(laneKey(lane), limit + 1)).filter(({ sk }) => sk !== itself).slice(0, limit);
    const former = items.filter(({ source }) => source === undefined);
    const packets =
      former.length === 0
        ? []
        : await this.read(
            "packet",
            former.map(({ id }) => id as string),
          );
    const places = new Map(former.map(({ id }, i) => [id, packets[i] && placeOf(packets[i].value.packet)]));
    return items.flatMap((item) => (places.has(item.id) ? (places.get(item.id) ?? []) : placeIn(item)));
  }

  async reservation(connector: string): Promise<Reservation | undefined> {
    const [item] = await this.#query(reservedKey(connector), 1);
    return item && { event: item.event as string, accepted: item.accepted as number };
  }

  /** Reads the first items of a partition consistently, in order of the sort key. */
  async #query(pk: string, limit: number): Promise<Item[]> {
    const partition = partitionOf(this.#options.packetsTable, pk);
    const { Items = [] } = await this.#options.client.send(new QueryCommand({ ...partition, Limit: limit }));
    return Items;
  }

  /** Reads all items of a partition consistently, a page at a time, in order of the sort key. */
  async *#queryAll(partition: QueryCommandInput): AsyncGenerator<Item> {
    let startKey: Item | undefined;
    do {
      const { Items = [], LastEvaluatedKey } = await this.#options.client.send(
        new QueryCommand({ ...partition, ...(startKey && { ExclusiveStartKey: startKey }) }),
      );
      yield* Items;
      startKey = LastEvaluatedKey;
    } while (startKey);
  }

  async unsentEvents({
    from = 0,
    to,
    limit,
    after,
  }: {
    from?: number;
    to: number;
    limit: number;
    after?: string;
  }): Promise<Page<FoundEvent>> {
    const pointers = readIndex(this.#options.client, {
      ...this.#index("waiting"),
      prefix: "event",
      from: after === undefined ? pad(from) : `${after}${end}`,
      to: pad(to),
    });
    const items = await this.#findEvents(pointers, limit, ({ unsent }) => unsent === true);
    const last = items.at(-1);
    return { items, ...(last && items.length === limit && { next: last.position }) };
  }

  async events({ type, from = 0, to = Number.MAX_SAFE_INTEGER, after, limit, newestFirst = false }: EventQuery) {
    const settled = (this.#options.clock.now() - settlingMs) * 1_000;
    const bounds = newestFirst
      ? { from: pad(from), to: after ?? pad(to) }
      : { from: after === undefined ? pad(from) : `${after}${end}`, to: pad(Math.min(to, settled)) };
    const pointers = readIndex(this.#options.client, {
      ...this.#index("time"),
      prefix: "event",
      newestFirst,
      ...bounds,
    });
    return this.#findEvents(pointers, limit, ({ event, erased }) => {
      return type === undefined || (event ?? erased)?.type === type;
    });
  }

  async #findEvents(
    pointers: AsyncGenerator<{ pk: string; at: string }>,
    limit: number,
    fits: (value: Records["event"]) => boolean,
  ): Promise<FoundEvent[]> {
    const events: FoundEvent[] = [];
    for await (const batch of batchesOf(pointers, Math.min(limit, maxKeys))) {
      const keys = batch.map(({ pk }) => pk.slice("event#".length));
      const found = await this.read("event", keys);
      for (const [i, key] of keys.entries()) {
        const value = found[i]?.value;
        if (!value || !fits(value)) continue;
        events.push({ key, position: eventPosition(key, value), value });
        if (events.length === limit) return events;
      }
    }
    return events;
  }

  async jobs({ running = false, limit }: { running?: boolean; limit: number }): Promise<Stored<"job">[]> {
    const newestFirst = { ...partitionOf(this.#options.packetsTable, jobsKey), ScanIndexForward: false };
    const jobs: Stored<"job">[] = [];
    for await (const item of this.#queryAll(newestFirst)) {
      const stored = unmarked("job", storedIn("job", item));
      if (!running || stored.value.status === "RUNNING") jobs.push(stored);
      if (jobs.length === limit) break;
    }
    return jobs;
  }

  async chain(id: string): Promise<LedgerEntry[]> {
    const entries = this.#queryAll(partitionOf(this.#options.ledgerTable, id));
    return Array.fromAsync(entries, entryIn);
  }

  /** Pages through all chains. A scan returns each partition whole and in order, so chains do not interleave. */
  async ledger({ after, limit }: { after?: string; limit: number }): Promise<Page<LedgerEntry>> {
    const { Items = [], LastEvaluatedKey } = await this.#options.client.send(
      new ScanCommand({
        TableName: this.#options.ledgerTable,
        ConsistentRead: true,
        Limit: limit,
        ...(after && { ExclusiveStartKey: JSON.parse(after) as Item }),
      }),
    );
    return { items: Items.map(entryIn), ...(LastEvaluatedKey && { next: JSON.stringify(LastEvaluatedKey) }) };
  }

  /** Scans the whole table. Intended only for ledger verification, which also reads everything. */
  async tally(): Promise<Tally> {
    const events = Object.fromEntries(eventStatuses.map((status) => [status, 0])) as Record<EventStatus, number>;
    const packets = Object.fromEntries(statuses.map((status) => [status, 0])) as Record<Status, number>;
    let duplicates = 0;
    let startKey: Item | undefined;
    do {
      const { Items = [], LastEvaluatedKey } = await this.#options.client.send(
        new ScanCommand({
          TableName: this.#options.packetsTable,
          FilterExpression: "attribute_exists(#status)",
          ProjectionExpression: "pk, #status, #duplicates",
          ExpressionAttributeNames: { "#status": "status", "#duplicates": "duplicates" },
          ...(startKey && { ExclusiveStartKey: startKey }),
        }),
      );
      for (const { pk, status, duplicates: again } of Items) {
        if ((pk as string).startsWith("event#")) {
          events[status as EventStatus]++;
          duplicates += again as number;
        } else packets[status as Status]++;
      }
      startKey = LastEvaluatedKey;
    } while (startKey);
    return { events: { ...events, duplicates }, packets };
  }

  #index(attribute: "time" | "waiting") {
    const index = attribute === "time" ? packetIndexes.byTime : packetIndexes.waiting;
    return { table: this.#options.packetsTable, index, attribute };
  }
}

function partitionOf(TableName: string, pk: string): QueryCommandInput {
  return {
    TableName,
    KeyConditionExpression: "pk = :pk",
    ExpressionAttributeValues: { ":pk": pk },
    ConsistentRead: true,
  };
}

function nameOf({ pk, sk }: Item | Key): string {
  return `${pk} ${sk}`;
}

/** @throws {BridgeError} if a newer release has written the record in a form that this one does not know */
function storedIn<K extends Kind>(kind: K, item: Item): Stored<K> {
  const form = (item.form as number | undefined) ?? 1;
  if (form > recordForm) {
    throw new BridgeError(
      "store-unavailable",
      `${item.pk} has form ${form}, but this release reads forms up to ${recordForm}; deploy the release that wrote it`,
    );
  }
  return { value: valueIn(kind, item) as Records[K], etag: item.etag as number };
}

function unmarked<K extends Kind>(kind: K, { value, etag }: Stored<K>): Stored<K> {
  return { value: withoutMark(kind, value), etag };
}

function valueIn(kind: Kind, { value, body, progress, recordedAt }: Item): Records[Kind] {
  switch (kind) {
    case "packet":
      return {
        packet: JSON.parse(body as string) as Packet,
        recordedAt: recordedAt as number,
        progress: JSON.parse(progress as string) as Progress,
      };
    case "event": {
      const record = JSON.parse(value as string) as EventRecord;
      return body === undefined ? record : { ...record, event: JSON.parse(body as string) as SourceEvent };
    }
    default:
      return JSON.parse(value as string) as Records[Kind];
  }
}

function placeIn({ id, accepted, source, sequence, epoch }: Item): LanePlace {
  return {
    id: id as string,
    accepted: accepted as number,
    source: source as string,
    ...(sequence !== undefined && { sequence: sequence as number }),
    ...(epoch !== undefined && { epoch: epoch as number }),
  };
}

function entryIn(item: Item): LedgerEntry {
  return JSON.parse(item.entry as string) as LedgerEntry;
}
