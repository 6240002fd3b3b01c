import type { EventRecord } from "../model/event-record.ts";
import type { LedgerEntry } from "../model/ledger-entry.ts";
import type { PacketRecord } from "../model/packet-record.ts";
import type { Put } from "../ports/store.ts";
import { bodyText } from "../values/json.ts";
import type { Transition } from "./transitions.ts";

/** Changes in one write. Source: Amazon DynamoDB, `ExecuteTransaction`: 100 statements. */
export const maxChanges = 100;

/** UTF-8 bytes in one write. Source: Amazon DynamoDB, 4 MB a transaction, of which some are names. */
export const maxWriteBytes = 3_500_000;

/** A new packet's or event's body up to here stands in its record, which is written again with every step. */
export const inlineBytes = 4_096;

/** A larger body is kept apart, in pieces of at most this. Source: Amazon DynamoDB, 400 KB an item. */
export const pieceBytes = 262_144;

/** What something counts towards the limits of one write. */
export interface Weight {
  readonly changes: number;
  readonly bytes: number;
}

export function weigh(puts: readonly Put[], entries: readonly LedgerEntry[] = []): Weight {
  let changes = entries.length;
  let bytes = entries.length * inlineBytes;
  for (const put of puts) {
    const body = bodyBytes(put);
    changes += 1 + marksOf(put) + piecesOf(body) + piecesOf(erasedBytes(put));
    bytes += body + inlineBytes;
  }
  return { changes, bytes };
}

/** The first put of a packet. */
export function newPut({ record }: Transition): Put {
  return { kind: "packet", id: record.packet.id, value: record, etag: 0 };
}

export function weighNew(stepped: Transition): Weight {
  return weigh([newPut(stepped)], [stepped.entry]);
}

/** @throws {RangeError} where it is more than a write takes */
export function checkWeight(puts: readonly Put[], entries: readonly LedgerEntry[]): void {
  const { changes, bytes } = weigh(puts, entries);
  if (changes > maxChanges) throw new RangeError(`${changes} changes in one write; the store takes ${maxChanges}`);
  if (bytes > maxWriteBytes) throw new RangeError(`${bytes} bytes in one write; the store takes ${maxWriteBytes}`);
}

export function fitsOneWrite({ changes, bytes }: Weight): boolean {
  return changes <= maxChanges && bytes <= maxWriteBytes;
}

/** Splits what is to be written, in its order, into as few writes as the store takes. */
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

/** A body is written with the first put, and never changes until it is erased. */
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

/** A packet's places in its strict lane and among what is not sent yet. */
function marksOf(put: Put): number {
  if (put.kind !== "packet") return 0;
  return (put.value.packet.order === "strict" ? 1 : 0) + (put.value.progress.unsent ? 1 : 0);
}

/** How many pieces a body of so many bytes is kept in. A piece ends between two characters: up to 3 bytes early. */
export function piecesOf(bytes: number): number {
  return bytes <= inlineBytes ? 0 : Math.ceil(bytes / (pieceBytes - 3));
}

function bytesOf(body: object | undefined): number {
  return body === undefined ? 0 : Buffer.byteLength(bodyText(body));
}
