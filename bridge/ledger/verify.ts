import type { KeyObject } from "node:crypto";
import type { LedgerEntry, LedgerIssue, Tail } from "../model/ledger-entry.ts";
import { digestOf } from "../model/packet.ts";
import type { PacketRecord } from "../model/packet-record.ts";
import type { Times } from "../model/timings.ts";
import type { Clock } from "../ports/clock.ts";
import type { StorePort } from "../ports/store.ts";
import { batchesOf } from "../values/batched.ts";
import { pagesOf } from "../values/pagination.ts";
import { verifyChain } from "./chain.ts";
import { openSeal, type Seal, type Sealed, sealedIn } from "./seal.ts";
import {
  changedIssue,
  type Evidence,
  firstSealSince,
  goodSeals,
  missingIssue,
  type SealCoverage,
  SealedEntries,
  type SealIssue,
} from "./sealed-entries.ts";

export interface Verification {
  /** With `since`, a chain listed by two seals counts twice. */
  readonly chains: number;
  readonly entries: number;
  /** Absent if the ledger was not checked against seals. */
  readonly seals?: VerifiedSeals;
  /** First problem found. */
  readonly fault?: LedgerIssue | SealIssue;
}

/** Seals that a verification has read, and entries that they do not cover. */
export interface VerifiedSeals {
  readonly seals: number;
  /** Creation time of the newest seal, in ms since the epoch. */
  readonly newest?: number;
  /** Entries that no seal covers yet. */
  readonly unsealed: number;
  /** True if an unsealed entry is older than two sealing intervals: sealing has stopped, or seals were removed. */
  readonly late: boolean;
}

/** Describes the location of a problem: `pkt-…, entry 3` or `seal 12`. */
export function placeOf(issue: LedgerIssue | SealIssue): string {
  return "seal" in issue ? `seal ${issue.seal}` : `${issue.chain}, entry ${issue.seq}`;
}

export interface VerifyOptions {
  readonly evidence?: Evidence;
  /** Verifies only what was sealed since this time, in ms since the epoch. Requires `evidence`. */
  readonly since?: number;
  readonly onProgress?: (entries: number) => void;
}

/** Parts of an engine that verifying its ledger needs. */
export interface VerifiedEngine {
  readonly store: StorePort;
  readonly bridgeKey: KeyObject;
  readonly clock: Clock;
  readonly times: Times;
}

const page = 500;

/** Chains whose records are read together. */
const chainsAtOnce = 100;

/**
 * Verifies the ledger and stops at the first problem.
 *
 * Every chain must be intact from its first entry to the last one according to its record, and every record must have a
 * chain. With `evidence`, every sealed entry must be unchanged, and no entry may have been inserted.
 *
 * With `since`, only the seals made since then and the chains they list are read. This finds changed and missing
 * entries, but not inserted ones.
 *
 * @throws {TypeError} if `since` is given without `evidence`
 */
export async function verifyLedger(engine: VerifiedEngine, options: VerifyOptions = {}): Promise<Verification> {
  const { evidence, since, onProgress } = options;
  if (since === undefined) return verifyWhole(engine, evidence && new SealedEntries(evidence), onProgress);
  if (!evidence)
    throw new TypeError("without seals it is unknown which entries were written since then; verify the whole ledger");
  return verifySince(engine, evidence, since, onProgress);
}

async function verifyWhole(
  engine: VerifiedEngine,
  sealed: SealedEntries | undefined,
  onProgress: VerifyOptions["onProgress"],
): Promise<Verification> {
  const count = { chains: 0, entries: 0 };
  const result = (issue?: LedgerIssue | SealIssue): Verification => ({
    ...count,
    ...(sealed && { seals: verifiedSeals(engine, sealed) }),
    ...(issue && { fault: issue }),
  });
  for (let part = 0; part < (sealed?.parts ?? 1); part++) {
    const sealIssue = await sealed?.load(part);
    if (sealIssue) return result(sealIssue);
    for await (const chains of batchesOf(chainsIn(engine), chainsAtOnce)) {
      const ends =
        part === 0
          ? await endsOf(
              engine,
              chains.map(([{ chain }]) => chain),
            )
          : undefined;
      for (const entries of chains) {
        const [{ chain }] = entries;
        let issue: LedgerIssue | undefined;
        if (ends) {
          count.chains++;
          count.entries += entries.length;
          onProgress?.(count.entries);
          issue = await checkChain(engine, chain, entries, ends.get(chain));
        }
        issue ??= await sealed?.check(entries);
        if (issue) return result(issue);
      }
    }
    const missing = await sealed?.missing();
    if (missing) return result(missing);
  }
  return result(await recordsWithoutChain(engine, count.chains));
}

async function verifySince(
  engine: VerifiedEngine,
  evidence: Evidence,
  since: number,
  onProgress: VerifyOptions["onProgress"],
): Promise<Verification> {
  const { seals, appended } = evidence;
  const count = { chains: 0, entries: 0 };
  const sealed: SealCoverage = { seals: 0, unsealed: 0, settlingMs: appended.settlingMs };
  const result = (issue?: LedgerIssue | SealIssue): Verification => ({
    ...count,
    seals: verifiedSeals(engine, sealed),
    ...(issue && { fault: issue }),
  });
  const check = async (listed: readonly Sealed[], seal?: Seal): Promise<LedgerIssue | undefined> => {
    for (const [chain, own] of Map.groupBy(listed, (entry) => entry.chain)) {
      const entries = await engine.store.chain(chain);
      const missing = seal && own.find(({ seq }) => !entries[seq - 1]);
      if (missing) return missingIssue(missing, seal);
      const changed = seal && own.find(({ seq, hash }) => entries[seq - 1]?.hash !== hash);
      if (changed) return changedIssue(changed, seal);
      count.chains++;
      count.entries += entries.length;
      onProgress?.(count.entries);
      const issue = await checkChain(engine, chain, entries, (await endsOf(engine, [chain])).get(chain));
      if (issue) return issue;
    }
    return undefined;
  };

  let to = "";
  const last = await seals.last();
  const first = await firstSealSince(seals, since);
  for await (const seal of goodSeals(evidence, first)) {
    if ("message" in seal) return result(seal);
    sealed.seals++;
    sealed.newest = Date.parse(seal.statement.at);
    to = seal.statement.to;
    const issue = await check([...sealedIn(seal)], seal);
    if (issue) return result(issue);
  }
  if (sealed.seals === 0) to = (last && openSeal(last.text)?.statement.to) ?? "";
  for (;;) {
    const fresh = await appended.read(to, page);
    if (fresh.to === to) return result();
    if (sealed.unsealed === 0) sealed.oldest = fresh.entries[0]?.at;
    sealed.unsealed += fresh.entries.length;
    to = fresh.to;
    const issue = await check(fresh.entries);
    if (issue) return result(issue);
  }
}

function verifiedSeals(
  { clock, times }: VerifiedEngine,
  { seals, newest, unsealed, oldest, settlingMs }: SealCoverage,
): VerifiedSeals {
  const late = oldest !== undefined && clock.now() - oldest > 2 * times.sealMs + settlingMs;
  return { seals, ...(newest !== undefined && { newest }), unsealed, late };
}

/** Yields the ledger's entries grouped by chain. */
async function* chainsIn({ store }: VerifiedEngine): AsyncGenerator<[LedgerEntry, ...LedgerEntry[]]> {
  let current: LedgerEntry[] = [];
  for await (const { items } of pagesOf((from) => store.ledger({ limit: page, ...from }))) {
    for (const entry of items) {
      if (current.length > 0 && current[0]?.chain !== entry.chain) {
        yield current as [LedgerEntry];
        current = [];
      }
      current.push(entry);
    }
  }
  if (current.length > 0) yield current as [LedgerEntry];
}

/** Checks a chain. It may grow meanwhile, so an issue counts only if neither the chain nor its record has changed. */
async function checkChain(
  engine: VerifiedEngine,
  chain: string,
  entries: readonly LedgerEntry[],
  end: End | undefined,
): Promise<LedgerIssue | undefined> {
  for (let before = end; ; ) {
    const issue = before
      ? (verifyChain(chain, entries, before.tail) ?? verifyRecord(engine, before.record, entries))
      : { chain, seq: 1, message: "the record this chain belongs to is missing" };
    if (!issue) return undefined;
    const again = await engine.store.chain(chain);
    const now = (await endsOf(engine, [chain])).get(chain);
    if (again.length === entries.length && now?.tail.seq === before?.tail.seq) return issue;
    entries = again;
    before = now;
  }
}

/** Checks that a packet's fields and status are those in the ledger. */
function verifyRecord(engine: VerifiedEngine, record: PacketRecord | undefined, entries: readonly LedgerEntry[]) {
  if (!record) return undefined;
  const { packet, progress } = record;
  const issue = (seq: number, message: string): LedgerIssue => ({ chain: packet.id, seq, message });
  const isErased = entries.at(-1)?.step === "ERASED";
  if (isErased && Object.keys(packet.fields).length > 0) {
    return issue(entries.length, "the packet has fields, but they were erased according to the ledger");
  }
  if (!isErased && entries[0]?.facts.digest !== digestOf(packet, engine.bridgeKey)) {
    return issue(1, "the packet's fields are not those that were recorded");
  }
  return entries.at(isErased ? -2 : -1)?.step === progress.status
    ? undefined
    : issue(entries.length, `the packet's record has the status ${progress.status}, but the ledger has another`);
}

/** End of a chain according to its record; for a packet, also the record. */
interface End {
  readonly tail: Tail;
  readonly record?: PacketRecord;
}

async function endsOf({ store }: VerifiedEngine, chains: readonly string[]): Promise<Map<string, End>> {
  const [packets, events] = [chains.filter(isPacket), chains.filter((chain) => !isPacket(chain))];
  const [foundPackets, foundEvents] = await Promise.all([store.read("packet", packets), store.read("event", events)]);
  const ends = new Map<string, End>();
  for (const [i, chain] of packets.entries()) {
    const record = foundPackets[i]?.value;
    if (record) ends.set(chain, { tail: record.progress.tail, record });
  }
  for (const [i, chain] of events.entries()) {
    const record = foundEvents[i]?.value;
    if (record) ends.set(chain, { tail: record.tail });
  }
  return ends;
}

function isPacket(chain: string): boolean {
  return chain.startsWith("pkt-");
}

/** Finds a record whose whole chain is missing. Reading the chains alone cannot find it. */
async function recordsWithoutChain(engine: VerifiedEngine, chains: number): Promise<LedgerIssue | undefined> {
  const { events, packets } = await engine.store.tally();
  const { duplicates: _, ...byStatus } = events;
  const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((a, b) => a + b, 0);
  if (sum(byStatus) + sum(packets) === chains) return undefined;

  const missing = (chain: string): LedgerIssue => ({ chain, seq: 1, message: "all entries of this chain are missing" });
  for await (const { items } of pagesOf((from) => engine.store.packets({ limit: page, ...from }))) {
    for (const { packet } of items) if ((await engine.store.chain(packet.id)).length === 0) return missing(packet.id);
  }
  let position: string | undefined;
  for (;;) {
    const found = await engine.store.events({ limit: page, ...(position && { after: position }) });
    for (const { key } of found) if ((await engine.store.chain(key)).length === 0) return missing(key);
    if (found.length === 0) return undefined;
    position = found.at(-1)?.position;
  }
}
