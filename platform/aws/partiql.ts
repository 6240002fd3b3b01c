import { type EventRecord, recordedMicrosOf } from "../../bridge/model/event-record.ts";
import { placeOf } from "../../bridge/model/lane.ts";
import { isClosed, type LedgerEntry } from "../../bridge/model/ledger-entry.ts";
import type { Packet } from "../../bridge/model/packet.ts";
import type { PacketRecord } from "../../bridge/model/packet-record.ts";
import type { Put } from "../../bridge/ports/store.ts";
import { inlineBytes, pieceBytes } from "../../bridge/recording/transaction-size.ts";
import { bodyText } from "../../bridge/values/json.ts";
import { pad, shardOf } from "./sharded-index.ts";

/**
 * A PartiQL statement made from one of the store's puts.
 *
 * PartiQL is used instead of `PutItem` because of the ledger: a role may be allowed INSERT alone, INSERT fails if the
 * entry exists, and a transaction cannot mix PartiQL with other writes.
 */
export interface Statement {
  /** Identifies the item that is written. */
  readonly item: string;
  readonly Statement: string;
  readonly Parameters: readonly (string | number)[];
}

/**
 * Form of a record: the release that last wrote it. Records of release 2a54c69 and before have none, which counts as 1.
 *
 * A release reads the forms before its own and writes its own, because records are not rewritten by an upgrade. Form 2:
 * an event has `acceptedAt`, and a packet's place in a strict lane follows its acceptance instead of its sequence.
 */
export const recordForm = 2;

/** Sort key of a record itself. Items under other sort keys point to records. */
export const itself = "-";

export interface Key {
  readonly pk: string;
  readonly sk: string;
}

/** Prefix of held packets in the index of waiting records. They wait for a person, not for a connector. */
export const heldPrefix = "held";

/** Partition key of all jobs. They are few, so one partition lists them in order of their ids. */
export const jobsKey = "job";

export function keyOf(kind: Put["kind"], id: string): Key {
  return kind === "job" ? { pk: jobsKey, sk: id } : { pk: `${kind}#${id}`, sk: itself };
}

type Values = Readonly<Record<string, string | number>>;

function insert(table: string, item: Values): Statement {
  const names = Object.keys(item).map((name) => `'${name}': ?`);
  return {
    item: itemName(table, item),
    Statement: `INSERT INTO "${table}" VALUE {${names.join(", ")}}`,
    Parameters: Object.values(item),
  };
}

/** Updates the item if it has this etag. `null` removes an attribute. */
function update(
  table: string,
  key: Key,
  etag: number,
  changes: Readonly<Record<string, string | number | null>>,
): Statement {
  const set = Object.entries(changes).filter((change): change is [string, string | number] => change[1] !== null);
  const removed = Object.keys(changes).filter((name) => changes[name] === null);
  const clauses = [
    ...['SET "etag"=?', ...set.map(([name]) => `SET "${name}"=?`)],
    ...removed.map((name) => `REMOVE "${name}"`),
  ];
  return {
    item: itemName(table, key),
    Statement: `UPDATE "${table}" ${clauses.join(" ")} WHERE "pk"=? AND "sk"=? AND "etag"=?`,
    Parameters: [etag + 1, ...set.map(([, value]) => value), key.pk, key.sk, etag],
  };
}

function remove(table: string, key: Key): Statement {
  return {
    item: itemName(table, key),
    Statement: `DELETE FROM "${table}" WHERE "pk"=? AND "sk"=?`,
    Parameters: [key.pk, key.sk],
  };
}

function itemName(table: string, { pk, sk }: Values | Key): string {
  return `${table} ${pk} ${sk}`;
}

/** Statements for a put: the record itself and the items by which it is found. */
export function putStatements(table: string, put: Put): Statement[] {
  switch (put.kind) {
    case "packet":
      return packetStatements(table, put);
    case "event":
      return eventStatements(table, put);
    default: {
      const key = keyOf(put.kind, put.id);
      const state = { value: JSON.stringify(put.value), form: recordForm };
      return [put.etag === 0 ? insert(table, { ...key, etag: 1, ...state }) : update(table, key, put.etag, state)];
    }
  }
}

function packetStatements(table: string, { id, etag, value, erases }: Extract<Put, { kind: "packet" }>): Statement[] {
  const { packet, progress, recordedAt } = value;
  const key = keyOf("packet", id);
  const at = `${pad(recordedAt)}#${id}`;
  const isOpen = !isClosed(progress.status);
  const prefix = progress.status === "HELD" ? heldPrefix : packet.connector;
  const waiting = { waitingShard: `${prefix}#${shardOf(id)}`, waitingAt: at };
  const state = { status: progress.status, progress: JSON.stringify(progress), form: recordForm };
  const marks = [...laneStatements(table, etag, value), ...unsentStatements(table, etag, value)];
  if (etag > 0) {
    const { changes, statements } = erases ? eraseBody(table, key, erases.packet, packet) : noErasure;
    const all = { ...state, ...(isOpen ? waiting : { waitingShard: null, waitingAt: null }), ...changes };
    return [update(table, key, etag, all), ...statements, ...marks];
  }
  const { attributes, statements } = insertBody(table, key, bodyText(packet));
  const indexed = { timeShard: `packet#${shardOf(id)}`, timeAt: at, ...(isOpen && waiting) };
  return [insert(table, { ...key, etag: 1, ...state, recordedAt, ...indexed, ...attributes }), ...statements, ...marks];
}

/**
 * Stores a body, which never changes: in its record if it is small, else in pieces next to it. A record therefore stays
 * within DynamoDB's item size, and updating it does not pay for writing the body again.
 */
function insertBody(table: string, { pk }: Key, body: string): { attributes: Values; statements: Statement[] } {
  if (Buffer.byteLength(body) <= inlineBytes) return { attributes: { body }, statements: [] };
  const pieces = cut(Buffer.from(body));
  const statements = pieces.map((text, i) => insert(table, { pk, sk: pieceKey(i), text }));
  return { attributes: { pieces: pieces.length }, statements };
}

interface Erasure {
  /** Attributes of the record itself. */
  readonly changes: Readonly<Record<string, string | null>>;
  readonly statements: readonly Statement[];
}

const noErasure: Erasure = { changes: {}, statements: [] };

/** Removes a body and its pieces. The `remainder` that replaces it, if any, is small enough for the record. */
function eraseBody(table: string, { pk }: Key, body: object | undefined, remainder: object | undefined): Erasure {
  const pieces = body ? piecesIn(bodyText(body)) : 0;
  const inline = remainder ? { body: bodyText(remainder) } : {};
  return {
    changes: { ...(pieces > 0 ? { pieces: null } : body && { body: null }), ...inline },
    statements: Array.from({ length: pieces }, (_, i) => remove(table, { pk, sk: pieceKey(i) })),
  };
}

function piecesIn(body: string): number {
  return Buffer.byteLength(body) <= inlineBytes ? 0 : cut(Buffer.from(body)).length;
}

/** Cuts UTF-8 between characters. */
function cut(body: Buffer): string[] {
  const pieces: string[] = [];
  for (let from = 0; from < body.length; ) {
    let to = Math.min(body.length, from + pieceBytes);
    while (to < body.length && ((body[to] as number) & 0xc0) === 0x80) to--;
    pieces.push(body.toString("utf8", from, to));
    from = to;
  }
  return pieces;
}

function pieceKey(i: number): string {
  return `body#${i}`;
}

/** Keys of the pieces of a record's body, in order. */
export function pieceKeys({ pk, pieces }: Readonly<Record<string, unknown>>): Key[] {
  return Array.from({ length: pieces as number }, (_, i) => ({ pk: pk as string, sk: pieceKey(i) }));
}

/**
 * A packet of a strict lane has an item in its lane's partition while it has a place in it, so that the lane is read
 * consistently.
 */
function laneStatements(table: string, etag: number, { packet, progress, recordedAt }: PacketRecord): Statement[] {
  if (packet.order !== "strict") return [];
  const { accepted, sequence, tie = "" } = packet.version;
  const pk = laneKey(packet.lane);
  const sk = `${pad(accepted)}${tie}#${pad(recordedAt)}#${packet.id}`;
  const hasPlace = !isClosed(progress.status) && !progress.late;
  if (etag === 0) return hasPlace ? [insert(table, { pk, sk, ...placeOf(packet) })] : [];
  if (hasPlace) return [];
  // An earlier release placed a packet by its sequence.
  const former =
    sequence === undefined ? [] : [remove(table, { pk, sk: `${pad(sequence)}#${pad(recordedAt)}#${packet.id}` })];
  return [remove(table, { pk, sk }), ...former];
}

/** An event has an item for each strict connector that may still get packets of it. */
function reservationStatements(table: string, event: string, etag: number, record: EventRecord): Statement[] {
  const { status, accepted, reserves = [] } = record;
  const keys = reserves.map((connector) => ({ pk: reservedKey(connector), sk: `${pad(accepted)}#${event}` }));
  if (status !== "EXPANDING") return etag === 0 ? [] : keys.map((key) => remove(table, key));
  return etag === 0 ? keys.map((key) => insert(table, { ...key, event, accepted })) : [];
}

/**
 * Each write of a packet as unsent adds a mark with the packet's new etag. A later write that clears `unsent`, such as a
 * claim, does not remove the mark, which saves a statement; the reader recognizes an outdated mark and deletes it.
 */
function unsentStatements(table: string, etag: number, { packet, progress }: PacketRecord): Statement[] {
  if (!progress.unsent) return [];
  return [insert(table, { pk: unsentKey(packet.connector), sk: `${packet.id}#${pad(etag + 1)}`, id: packet.id })];
}

export function laneKey(lane: Packet["lane"]): string {
  return `lane#${lane}`;
}

export function reservedKey(connector: string): string {
  return `reserved#${connector}`;
}

export function unsentKey(connector: string): string {
  return `unsent#${connector}`;
}

function eventStatements(table: string, { id, etag, value, erases }: Extract<Put, { kind: "event" }>): Statement[] {
  const { event, ...record } = value;
  const key = keyOf("event", id);
  const at = eventPosition(id, value);
  const waiting = { waitingShard: `event#${shardOf(id)}`, waitingAt: at };
  const state = {
    status: value.status,
    duplicates: value.duplicates,
    value: JSON.stringify(record),
    form: recordForm,
  };
  if (etag > 0) {
    const { changes, statements } = erases ? eraseBody(table, key, erases.event, undefined) : noErasure;
    const all = { ...state, ...(value.unsent ? waiting : { waitingShard: null, waitingAt: null }), ...changes };
    return [update(table, key, etag, all), ...statements, ...reservationStatements(table, id, etag, value)];
  }
  const { attributes, statements } = event
    ? insertBody(table, key, bodyText(event))
    : { attributes: {}, statements: [] };
  const indexed = { timeShard: `event#${shardOf(id)}`, timeAt: at, ...(value.unsent && waiting) };
  const item = insert(table, { ...key, etag: 1, ...state, ...indexed, ...attributes });
  return [item, ...statements, ...reservationStatements(table, id, etag, value)];
}

/**
 * Position of an event in the order of recording, in µs. Its order of acceptance would not do: a message that waited in
 * the inbox would appear before events that a reader has already passed.
 */
export function eventPosition(key: string, record: EventRecord): string {
  return `${pad(recordedMicrosOf(record))}#${key}`;
}

export function ledgerStatement(table: string, entry: LedgerEntry): Statement {
  return insert(table, { pk: entry.chain, sk: entry.seq, entry: JSON.stringify(entry) });
}
