import type { Engine } from "../engine.ts";
import { blockedReason, govern } from "../governance/govern.ts";
import type { FieldDecision } from "../governance/vet.ts";
import { readdress } from "../intake/build-packet.ts";
import { initialFacts } from "../intake/expand.ts";
import { pinnedSheets } from "../intake/pinned-sheets.ts";
import type { Match } from "../mapping/match-targets.ts";
import type { Facts, Status } from "../model/ledger-entry.ts";
import type { Packet } from "../model/packet.ts";
import type { Stored } from "../ports/store.ts";
import { type ReplaceResult, replacePacket } from "../recording/replace-packet.ts";
import { createPacketRecord } from "../recording/transitions.ts";
import { InvariantError } from "../values/bridge-error.ts";

/** Result of an operator's action on one packet. */
export type OperationResult =
  | ReplaceResult
  /** The packet does not allow this action; nothing was written. */
  | { readonly kind: "refused"; readonly why: string };

export type RefusedResult = Extract<OperationResult, { kind: "refused" }>;

export function refusedResult(why: string): RefusedResult {
  return { kind: "refused", why };
}

/**
 * Loads a packet for an operator's action and checks its status.
 *
 * @param etag etag the operator saw; if the packet has changed since, the result is `moved`
 */
export async function packetFor(
  engine: Engine,
  id: string,
  etag: number | undefined,
  allowed: readonly Status[],
): Promise<Exclude<OperationResult, { kind: "done" }> | { readonly kind: "found"; readonly stored: Stored<"packet"> }> {
  const [stored] = await engine.store.read("packet", [id]);
  if (!stored) return { kind: "missing" };
  if (etag !== undefined && stored.etag !== etag) return { kind: "moved", now: stored };
  const { status } = stored.value.progress;
  if (!allowed.includes(status))
    return refusedResult(`${id} is ${status}; this action requires a packet that is ${orOf(allowed)}`);
  return { kind: "found", stored };
}

function orOf(statuses: readonly Status[]): string {
  return statuses.length < 2 ? statuses.join() : `${statuses.slice(0, -1).join(", ")} or ${statuses.at(-1)}`;
}

/**
 * Returns the sheet version and the target from which a packet was created.
 *
 * @throws if the store no longer has them
 */
export async function placeOfPacket(engine: Engine, packet: Packet): Promise<Match> {
  const [sheet] = await pinnedSheets(engine, [{ name: packet.sheet, hash: packet.sheetHash }]);
  const target = sheet?.targets.find(({ name }) => name === packet.target);
  if (!sheet || !target) throw new InvariantError(`${packet.id} was created for a target that its sheet does not have`);
  return { sheet, target };
}

/** A packet in the form in which the current policy allows it to be sent. */
export interface GovernedPacket {
  readonly packet: Packet;
  readonly decisions: readonly FieldDecision[];
  /** Reason it must not be sent, for the operator. */
  readonly blocked?: string;
}

/**
 * Checks a packet against the current policy, which may be stricter than when the packet was created.
 *
 * @param fields fields to check instead of the packet's own
 * @throws {ComplianceUnavailableError} if the compliance engine cannot be reached
 */
export async function governAgain(engine: Engine, packet: Packet, fields = packet.fields): Promise<GovernedPacket> {
  const { keyPath } = (await placeOfPacket(engine, packet)).target;
  const target = { connector: packet.connector, ...(keyPath && { keyPath }) };
  const governed = await govern(engine, { target, entity: packet.entity, fields });
  const connector = engine.catalog.get(packet.connector);
  const readdressed = connector ? readdress(packet, governed.entity, connector, engine.bridgeKey) : packet;
  const blocked = governed.verdict === "block" ? { blocked: blockedReason(governed) } : {};
  return { packet: { ...readdressed, fields: governed.fields }, decisions: governed.decisions, ...blocked };
}

/** Packet that replaces a held packet. */
export interface Replacement {
  readonly shape: Packet;
  /** Operator and reason, recorded in both packets' chains. */
  readonly act: Facts;
  /** Additional facts of the new packet's first ledger entry. */
  readonly facts: Facts;
  /** Reason the new packet is held: a code for the ledger, and a text for the operator. */
  readonly held?: { readonly code: string; readonly reason: string };
  readonly job?: string;
}

/** Replaces a held packet on behalf of an operator. */
export function replace(engine: Engine, parent: Stored<"packet">, wanted: Replacement): Promise<OperationResult> {
  const { shape, act, facts, held, job } = wanted;
  const { answer: _, ...progress } = parent.value.progress;
  const answered: Stored<"packet"> = { ...parent, value: { ...parent.value, progress } };
  return replacePacket(engine, answered, {
    shape,
    act,
    job,
    createRecord(child) {
      const now = engine.clock.now();
      const initial: Facts = { ...initialFacts(child, engine.bridgeKey), ...act, ...facts };
      return held
        ? createPacketRecord(child, now, {
            status: "HELD",
            facts: { ...initial, reason: held.code },
            progress: { reason: held.reason },
          })
        : createPacketRecord(child, now, { status: "QUEUED", facts: initial, progress: { unsent: true } });
    },
  });
}
