import type { Status } from "../bridge/model/ledger-entry.ts";
import type { PacketRecord } from "../bridge/model/packet-record.ts";
import { standingLine } from "../bridge/observability/describe.ts";

/** A packet in readable form. `String(view)` returns its line in the outbox list. */
export interface PacketView {
  readonly id: string;
  readonly status: Status;
  readonly target: string;
  readonly connector: string;
  readonly entity: string;
  readonly event: string;
  readonly sheet: string;
  readonly fields: PacketRecord["packet"]["fields"];
  readonly tries: number;
  readonly recordedAt: string;
  readonly nextTryAt?: string;
  readonly reason?: string;
  readonly at?: string;
  readonly roundTripMs?: number;
  readonly replayOf?: string;
  toString(): string;
}

export function viewOf({ packet, progress, recordedAt }: PacketRecord, now: number): PacketView {
  const { delivery } = progress;
  return {
    id: packet.id,
    status: progress.status,
    target: packet.target,
    connector: packet.connector,
    entity: packet.entity,
    event: packet.event,
    sheet: packet.sheet,
    fields: packet.fields,
    tries: progress.tries,
    recordedAt: new Date(recordedAt).toISOString(),
    ...(progress.nextTryAt !== undefined && { nextTryAt: new Date(progress.nextTryAt).toISOString() }),
    ...(progress.reason !== undefined && { reason: progress.reason }),
    ...(delivery?.at !== undefined && { at: delivery.at }),
    ...(delivery && { roundTripMs: delivery.ms }),
    ...(packet.replayOf !== undefined && { replayOf: packet.replayOf }),
    toString: () => line({ packet, progress, recordedAt }, now),
  };
}

function line({ packet, progress }: PacketRecord, now: number): string {
  const { status, nextTryAt, reason, lease, delivery } = progress;
  const landed = { at: delivery?.at, roundTripMs: delivery?.ms };
  const { id, target } = packet;
  return standingLine({ id, status, target, nextTryAt, reason, sendingUntil: lease?.until, ...landed }, now);
}
