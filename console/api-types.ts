// Types of the operator API's responses, limited to what the page shows. They repeat by hand the schemas from which the
// API generates `/openapi.json` and with which it checks its responses. The browser tests run against the real API.

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
export type Fields = { readonly [name: string]: Json };

export const openStatuses = ["QUEUED", "RETRY", "HELD"] as const;
export const closedStatuses = ["SENT", "UNCHANGED", "SUPERSEDED", "DISCARDED"] as const;
export const statuses = [...openStatuses, ...closedStatuses] as const;
export type Status = (typeof statuses)[number];

export const eventStatuses = ["EXPANDING", "EXPANDED", "UNMATCHED", "QUARANTINED", "NOTED"] as const;
export type EventStatus = (typeof eventStatuses)[number];

export interface Page<T> {
  readonly items: readonly T[];
  readonly next?: string;
}

export interface Me {
  readonly actor: string;
  readonly host: "local" | "aws";
  readonly version: string;
  readonly now: string;
}

/** Time from queueing to acknowledgement. ms */
export interface Lag {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
}

export interface Connector {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly order: "latest" | "strict";
  readonly health: "UP" | "DOWN" | "PAUSED";
  readonly since?: string;
  readonly pause?: { readonly actor: string; readonly why: string; readonly at: string };
  readonly moved?: { readonly at: string; readonly why: string };
  readonly probedAt?: string;
  readonly redriveAt?: string;
  readonly redrivePerSecond?: number;
  readonly breachedSince?: string;
  readonly windowMs: number;
  readonly oldestWaitingMs?: number;
  readonly lane: number;
  readonly outbox: number;
  readonly held: number;
  /** `yes`, or what is missing from its configuration or secret. */
  readonly ready?: string;
  readonly lag?: Lag;
  readonly lagByMinute: readonly (Lag & { readonly at: string })[];
}

export type PacketAction = "edit" | "replay" | "discard";

export interface Packet {
  readonly id: string;
  readonly status: Status;
  readonly connector: string;
  readonly sheet: string;
  readonly target: string;
  readonly entity: string;
  readonly event: string;
  readonly eventType: string;
  readonly action: "upsert" | "delete";
  readonly fieldNames: readonly string[];
  readonly revision: number;
  readonly tries: number;
  readonly recordedAt: string;
  readonly queuedAt: string;
  readonly windowMs: number;
  readonly nextTryAt?: string;
  readonly closedAt?: string;
  readonly lagMs?: number;
  readonly place?: "lane" | "outbox" | "behind";
  readonly behind?: string;
  readonly reason?: string;
  readonly replayOf?: string;
  readonly replaces?: string;
  readonly replacedBy?: string;
  readonly edited: boolean;
  readonly job?: string;
  readonly may: readonly PacketAction[];
}

export interface LedgerStep {
  readonly seq: number;
  readonly at: string;
  readonly step: string;
  readonly sentence: string;
  readonly actor?: string;
  readonly facts: Fields;
}

export interface Field {
  readonly name: string;
  readonly value: Json;
  readonly before?: Json;
  readonly atTarget: "this" | "another" | "unknown";
}

export interface PacketDetail extends Packet {
  readonly etag: number;
  readonly fields: readonly Field[];
  readonly sheetHash: string;
  readonly sheetIsCurrent: boolean;
  readonly delivery?: { readonly status?: number; readonly remoteId?: string; readonly ms: number };
  readonly answer?: string;
  readonly story: readonly LedgerStep[];
}

export interface FieldDecision {
  readonly field: string;
  readonly action: "allow" | "mask" | "block";
  readonly rule: string;
  readonly kinds: readonly string[];
}

/** Preview of an edit. */
export interface EditPreview {
  readonly kind: "trial";
  readonly fields: Fields;
  readonly changes: readonly { readonly field: string; readonly before?: Json; readonly after?: Json }[];
  readonly governance: readonly FieldDecision[];
  readonly held?: string;
}

export interface OperationResult {
  readonly kind: "done";
  readonly etag: number;
  readonly packet: Packet;
}

export interface Job {
  readonly id: string;
  readonly kind: "replay" | "backfill" | "bulk";
  readonly status: "RUNNING" | "DONE" | "FAILED" | "CANCELLED";
  readonly actor: string;
  readonly startedAt: string;
  readonly endedAt?: string;
  readonly looked: number;
  readonly made: number;
  readonly perSecond?: number;
  readonly malformed?: { readonly lines: number; readonly first: readonly string[] };
  readonly reason?: string;
}

/** Preview of a bulk operation. */
export interface BulkPreview {
  readonly kind: "trial";
  readonly looked: number;
  readonly made: number;
  readonly held: number;
  readonly refused: { readonly [why: string]: number };
  readonly samples: readonly { readonly packet: Packet; readonly fate: string }[];
}

/** Preview of a replay, in packets. */
export interface ReplayPreview {
  readonly kind: "trial";
  readonly looked: number;
  readonly sent: number;
  readonly unchanged: number;
  readonly superseded: number;
  readonly held: number;
}

/** Preview of a backfill, by target. */
export interface BackfillPreview {
  readonly kind: "trial";
  readonly looked: number;
  readonly malformed: NonNullable<Job["malformed"]>;
  readonly targets: {
    readonly [target: string]: { readonly made: number; readonly held: number; readonly there: number };
  };
}

export interface Sheet {
  readonly name: string;
  readonly hash: string;
  readonly sourceEvents: readonly string[];
  readonly windowMs: number;
  readonly targets: readonly {
    readonly name: string;
    readonly connector: string;
    readonly action: "upsert" | "delete";
    readonly from?: string;
    readonly until?: string;
    readonly fields: readonly { readonly from: string; readonly to: string }[];
  }[];
}

export interface SheetText extends Sheet {
  readonly text: string;
}

export interface SheetIssue {
  readonly line: number;
  readonly message: string;
}

export interface SheetCheck {
  readonly ok: boolean;
  readonly faults: readonly SheetIssue[];
  readonly warnings: readonly SheetIssue[];
  readonly examples: readonly { readonly name: string; readonly faults: readonly string[] }[];
}

export interface PreviewedPacket {
  readonly target: string;
  readonly connector: string;
  readonly entity: string;
  readonly action: "upsert" | "delete";
  readonly fields: Fields;
  readonly unchanged?: readonly string[];
  readonly governance: readonly FieldDecision[];
  readonly held?: string;
}

export interface PreviewedEvent {
  readonly id?: string;
  readonly type: string;
  readonly acceptedAt?: string;
  readonly today: readonly PreviewedPacket[];
  readonly proposed: readonly PreviewedPacket[];
  readonly same: boolean;
}

export interface SheetPreview {
  readonly looked: number;
  readonly changed: number;
  readonly complete: boolean;
  readonly events: readonly PreviewedEvent[];
}

export interface SourceEvent {
  readonly id: string;
  readonly status: EventStatus;
  readonly type?: string;
  readonly source?: string;
  readonly time?: string;
  readonly acceptedAt: string;
  readonly packets: number;
  readonly duplicates: number;
  readonly sheets: readonly string[];
  readonly reason?: string;
}

export interface EventDetail extends SourceEvent {
  readonly eventId?: string;
  readonly subject?: string;
  readonly sequence?: number;
  readonly data?: Fields;
  readonly raw?: string;
  readonly story: readonly LedgerStep[];
}

export interface Tally {
  readonly events: Readonly<Record<EventStatus | "duplicates", number>>;
  readonly packets: Readonly<Record<Status, number>>;
}

export interface Verification {
  readonly ok: boolean;
  readonly entries: number;
  readonly chains: number;
  readonly fault?: { readonly where: string; readonly what: string };
  readonly seals?: {
    readonly seals: number;
    readonly newest?: string;
    readonly unsealed: number;
    readonly late: boolean;
  };
}

export interface Alert {
  readonly at: string;
  readonly type: string;
  readonly subject: string;
  readonly data: Fields;
}
