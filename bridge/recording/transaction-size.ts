// Limits of one store transaction, and splitting of larger writes into several.
import type { EventRecord } from "../model/event-record.ts";
import type { LedgerEntry } from "../model/ledger-entry.ts";
import type { PacketRecord } from "../model/packet-record.ts";
import type { Put } from "../ports/store.ts";
import { bodyText } from "../values/json.ts";
import type { Transition } from "./transitions.ts";

/** Maximum number of changes in one transaction. Source: Amazon DynamoDB, `ExecuteTransaction`: 100 statements. */
export const maxChanges = 100;

/** Maximum UTF-8 bytes in one transaction. Source: Amazon DynamoDB, 4 MB; the rest is reserved for attribute names. */
export const maxWriteBytes = 3_500_000;

/** Largest body, in UTF-8 bytes, stored in the record of its packet or event, which every transition rewrites. */
export const inlineBytes = 4_096;

/** Largest piece, in UTF-8 bytes, of a body stored apart from its record. Source: Amazon DynamoDB, 400 KB per item. */
export const pieceBytes = 262_144;

/** Size of a write against the limits of one transaction. */
export interface Weight {
  readonly changes: number;
  readonly bytes: number;
}

/** Measures puts and ledger entries against the limits of one transaction. */
export function weigh(puts: readonly Put[], entries: readonly LedgerEntry[] = []): Weight {
  let changes = entries.length;
  let bytes = entries.length * inlineBytes;
  for (const put of puts) {
    const body = bodyBytes(put);
    changes += 1 + indexItemsOf(put) + piecesOf(body) + piecesOf(erasedBytes(put));
    bytes += body + inlineBytes;
  }
  return { changes, bytes };
}

/** Returns the put that stores a new packet. */
export function newPut({ record }: Transition): Put {
  return { kind: "packet", id: record.packet.id, value: record, etag: 0 };
}

/** Measures a new packet with its first ledger entry. */
export function weighNew(created: Transition): Weight {
  return weigh([newPut(created)], [created.entry]);
}

/** @throws {RangeError} if the write does not fit in one transaction */
export function checkWeight(puts: readonly Put[], entries: readonly LedgerEntry[]): void {
  const { changes, bytes } = weigh(puts, entries);
  if (changes > maxChanges) throw new RangeError(`${changes} changes in one transaction; the limit is ${maxChanges}`);
  if (bytes > maxWriteBytes) throw new RangeError(`${bytes} bytes in one transaction; the limit is ${maxWriteBytes}`);
}

/** Returns true if a write of this size fits in one transaction. */
export function fitsOneWrite({ changes, bytes }: Weight): boolean {
  return changes <= maxChanges && bytes <= maxWriteBytes;
}

/** Splits items, in order, into as few transactions as the limits allow. */
export function inWrites<T>(items: readonly T[], weightOf: (item: T) => Weight): T[][] {
  const writes: T[][] = [];
  let room: Weight = { changes: 0, bytes: 0 };
  for (const item of items) {
    const { changes, bytes } = weightOf(item);
    const write = writes.at(-1);
    if (write && changes <= room.changes && bytes <= room.bytes) {
      write.push(item);
      room = { changes: room.changes - changes, bytes: room.bytes - bytes };
    } else {
      writes.push([item]);
      room = { changes: maxChanges - changes, bytes: maxWriteBytes - bytes };
    }
  }
  return writes;
}

/** A body is written with its first put and does not change until it is erased. */
function bodyBytes(put: Put): number {
  return put.etag === 0 || put.erases ? bytesOf(bodyIn(put, put.value)) : 0;
}

function erasedBytes(put: Put): number {
  return put.erases ? bytesOf(bodyIn(put, put.erases)) : 0;
}

function bodyIn({ kind }: Put, value: Put["value"]): object | undefined {
  if (kind === "packet") return (value as PacketRecord).packet;
  return kind === "event" ? (value as EventRecord).event : undefined;
}

/**
 * Counts index items: of a packet, two if it is in a strict lane, because that of an earlier release may have to be
 * removed too, and one if it is unsent; of an event, one for each reservation.
 */
function indexItemsOf(put: Put): number {
  if (put.kind === "event") return put.value.reserves?.length ?? 0;
  if (put.kind !== "packet") return 0;
  return (put.value.packet.order === "strict" ? 2 : 0) + (put.value.progress.unsent ? 1 : 0);
}

/**
 * Counts the pieces into which a body is split; 0 if it is stored in its record. A piece ends at a character boundary,
 * up to 3 bytes early.
 */
export function piecesOf(bytes: number): number {
  return bytes <= inlineBytes ? 0 : Math.ceil(bytes / (pieceBytes - 3));
}

function bytesOf(body: object | undefined): number {
  return body === undefined ? 0 : Buffer.byteLength(bodyText(body));
}
