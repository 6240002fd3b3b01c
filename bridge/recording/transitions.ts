import type { Engine } from "../engine.ts";
import { append, tailOf } from "../ledger/chain.ts";
import type { EventRecord } from "../model/event-record.ts";
import { type Facts, isClosed, type LedgerEntry, type Status } from "../model/ledger-entry.ts";
import type { Packet } from "../model/packet.ts";
import type { PacketRecord, Progress } from "../model/packet-record.ts";

/** A packet's new record and the ledger entry that documents it. Both are written in one transaction. */
export interface Transition {
  readonly record: PacketRecord;
  readonly entry: LedgerEntry;
}

/** A packet's next status. */
export interface PacketChange {
  readonly status: Status;
  /** Recorded in the ledger entry: names, hashes and numbers, never a value. */
  readonly facts: Facts;
  /** Changes to the packet's progress besides its status. */
  readonly progress?: Partial<Progress>;
}

/** Initial status of a packet. */
export interface InitialState extends PacketChange {
  readonly status: "QUEUED" | "HELD";
}

/** An event's next ledger step. */
export interface EventChange {
  readonly step: "EXPANDED" | "DUPLICATE";
  readonly facts: Facts;
  /** Changes to the event's record besides its status. */
  readonly fields?: Partial<EventRecord>;
}

/**
 * Progress that is kept across transitions. A reason, a lease and a next attempt belong to one status only. The `unsent`
 * flag belongs to one message: a transition either follows that message's delivery or creates another message.
 */
type KeptProgress = Omit<
  Progress,
  "status" | "tail" | "lease" | "nextTryAt" | "reason" | "behind" | "closedAt" | "unsent"
>;

/**
 * Moves a packet to its next status. Nothing is written.
 *
 * @param at ms since the epoch
 * @throws {Error} if the packet's current status does not allow it
 */
export function transitionPacket(record: PacketRecord, at: number, change: PacketChange): Transition {
  const { progress, packet } = record;
  const { status, facts } = change;
  const entry = append(packet.id, { tail: progress.tail, step: progress.status }, { at, step: status, facts });
  const { lease: _l, nextTryAt: _n, reason: _r, behind: _b, closedAt: _c, unsent: _u, ...rest } = progress;
  const kept: KeptProgress = rest;
  return {
    record: {
      ...record,
      progress: { ...kept, ...change.progress, status, tail: tailOf(entry), ...(isClosed(status) && { closedAt: at }) },
    },
    entry,
  };
}

/**
 * Adds the next step to an event's chain. Nothing is written. A duplicate leaves the event's status as it was.
 *
 * @param at ms since the epoch
 * @throws {Error} if the event's last step does not allow it
 */
export function transitionEvent(
  key: string,
  record: EventRecord,
  at: number,
  { step, facts, fields }: EventChange,
): { readonly value: EventRecord; readonly entry: LedgerEntry } {
  const entry = append(key, { tail: record.tail, step: record.step }, { at, step, facts });
  const status = step === "DUPLICATE" ? record.status : step;
  return { value: { ...record, ...fields, status, step: entry.step, tail: tailOf(entry) }, entry };
}

/**
 * Creates a packet's first record and the entry that begins its chain. Nothing is written.
 *
 * @param at ms since the epoch
 */
export function createPacketRecord(packet: Packet, at: number, { status, facts, progress }: InitialState): Transition {
  const entry = append(packet.id, undefined, { at, step: status, facts });
  return {
    record: {
      packet,
      recordedAt: at,
      progress: { status, tail: tailOf(entry), place: "lane", tries: 0, round: 0, puts: 0, queuedAt: at, ...progress },
    },
    entry,
  };
}

/** Logs the new packets that are held from the start. */
export function logHeld(engine: Engine, created: readonly Transition[]): void {
  for (const { record, entry } of created) {
    if (record.progress.status !== "HELD") continue;
    const { id, connector } = record.packet;
    engine.log({ step: "held", packet: id, connector, why: String(entry.facts.reason) });
  }
}
