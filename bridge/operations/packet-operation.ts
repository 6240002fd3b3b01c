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

/** What a person's act on one packet came to. */
export type OperationResult =
  | ReplaceResult
  /** It cannot be done to this packet; nothing was written. */
  | { readonly kind: "refused"; readonly why: string };

export type Refused = Extract<OperationResult, { kind: "refused" }>;

export function refusedResult(why: string): Refused {
  return { kind: "refused", why };
}

/**
 * Finds a packet a person wants to do something about.
 *
 * @param etag what the person saw; if another was faster since, they are told
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
    return refusedResult(`${id} is ${status}; this can be done to what is ${orOf(allowed)}`);
  return { kind: "found", stored };
}

function orOf(statuses: readonly Status[]): string {
  return statuses.length < 2 ? statuses.join() : `${statuses.slice(0, -1).join(", ")} or ${statuses.at(-1)}`;
}

/** The sheet's target a packet was made by, as it was then. @throws where the store has lost it */
export async function placeOfPacket(engine: Engine, packet: Packet): Promise<Match> {
  const [sheet] = await pinnedSheets(engine, [{ name: packet.sheet, hash: packet.sheetHash }]);
  const target = sheet?.targets.find(({ name }) => name === packet.target);
  if (!sheet || !target) throw new Error(`${packet.id} was made by a target its sheet never had; this is a fault`);
  return { sheet, target };
}

/** A packet as it may leave today. */
export interface Governed {
  readonly packet: Packet;
  readonly decisions: readonly FieldDecision[];
  /** Why it cannot leave, in a person's words. */
  readonly blocked?: string;
}

/**
 * Has governance look at a packet as it is asked today: the policy may have become stricter since it was made.
 *
 * @param fields what it is to carry, if not what it carries
 * @throws {ComplianceUnavailableError} where governance cannot be asked
 */
export async function governAgain(engine: Engine, packet: Packet, fields = packet.fields): Promise<Governed> {
  const { keyPath } = (await placeOfPacket(engine, packet)).target;
  const target = { connector: packet.connector, ...(keyPath && { keyPath }) };
  const judged = await govern(engine, { target, entity: packet.entity, fields });
  const connector = engine.catalog.get(packet.connector);
  const again = connector ? readdress(packet, judged.entity, connector, engine.bridgeKey) : packet;
  const blocked = judged.verdict === "block" ? { blocked: blockedReason(judged) } : {};
  return { packet: { ...again, fields: judged.fields }, decisions: judged.decisions, ...blocked };
}

/** What is to be sent in the place of a held packet. */
export interface Replacement {
  readonly shape: Packet;
  /** Who does it, and why: for the ends of both chains. */
  readonly act: Facts;
  /** What its beginning says in the ledger besides. */
  readonly facts: Facts;
  /** Why it waits for a person in its turn: the code for the ledger, and the words. */
  readonly held?: { readonly code: string; readonly reason: string };
  readonly job?: string;
}

/** Puts a packet in the place of a held one, for a person. */
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
      const birth: Facts = { ...initialFacts(child, engine.bridgeKey), ...act, ...facts };
      return held
        ? createPacketRecord(child, now, {
            status: "HELD",
            facts: { ...birth, reason: held.code },
            progress: { reason: held.reason },
          })
        : createPacketRecord(child, now, { status: "QUEUED", facts: birth, progress: { unsent: true } });
    },
  });
}
