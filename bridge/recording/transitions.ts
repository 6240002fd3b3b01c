import type { Engine } from "../engine.ts";
import { append, tailOf } from "../ledger/chain.ts";
import type { EventRecord } from "../model/event-record.ts";
import { type Facts, isClosed, type LedgerEntry, type Status } from "../model/ledger-entry.ts";
import type { PacketRecord, Progress } from "../model/packet-record.ts";

/** A packet's record and the ledger entry that belongs to it: written together or not at all. */
export interface Transition {
  readonly record: PacketRecord;
  readonly entry: LedgerEntry;
}

/** What a step may leave behind of the one before: a reason, a lease and a next try belong to one step only. */
type Lasting = Omit<Progress, "status" | "tail" | "lease" | "nextTryAt" | "reason" | "behind" | "closedAt">;
type Change = Partial<Progress>;

/** Takes a packet to a status. @throws where that is not legal from where it is */
export function transitionPacket(
  record: PacketRecord,
  at: number,
  status: Status,
  facts: Facts,
  change: Change = {},
): Transition {
  const { progress, packet } = record;
  const entry = append(packet.id, { tail: progress.tail, step: progress.status }, { at, step: status, facts });
  const { lease: _l, nextTryAt: _n, reason: _r, behind: _b, closedAt: _c, ...lasting } = progress;
  const kept: Lasting = lasting;
  return {
    record: {
      ...record,
      progress: { ...kept, ...change, status, tail: tailOf(entry), ...(isClosed(status) && { closedAt: at }) },
    },
    entry,
  };
}

/** Takes an event to a step of its own story. @throws where that is not legal from where it is */
export function transitionEvent(
  key: string,
  record: EventRecord,
  at: number,
  to: "EXPANDED" | "DUPLICATE",
  facts: Facts,
  change: Partial<EventRecord> = {},
): { readonly value: EventRecord; readonly entry: LedgerEntry } {
  const entry = append(key, { tail: record.tail, step: record.step }, { at, step: to, facts });
  const status = to === "DUPLICATE" ? record.status : to;
  return { value: { ...record, ...change, status, step: entry.step, tail: tailOf(entry) }, entry };
}

/** Records a packet for the first time: the beginning of its chain. */
export function createPacketRecord(
  packet: PacketRecord["packet"],
  at: number,
  status: "QUEUED" | "HELD",
  facts: Facts,
  change: Change = {},
): Transition {
  const entry = append(packet.id, undefined, { at, step: status, facts });
  return {
    record: {
      packet,
      recordedAt: at,
      progress: { status, tail: tailOf(entry), place: "lane", tries: 0, round: 0, puts: 0, queuedAt: at, ...change },
    },
    entry,
  };
}

/** Says which new packets wait for a person from the beginning. */
export function logHeld(engine: Engine, steps: readonly Transition[]): void {
  for (const { record, entry } of steps) {
    if (record.progress.status !== "HELD") continue;
    const { id, connector } = record.packet;
    engine.log({ step: "held", packet: id, connector, why: String(entry.facts.reason) });
  }
}
