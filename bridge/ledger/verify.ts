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
  type Covered,
  changedIssue,
  type Evidence,
  firstSealSince,
  goodSeals,
  missingIssue,
  SealedEntries,
  type SealIssue,
} from "./sealed-entries.ts";

export interface Verification {
  /** With `since`, a chain that two seals name counts twice. */
  readonly chains: number;
  readonly entries: number;
  /** Absent where the ledger was not held against seals. */
  readonly seals?: SealsSeen;
  /** The first thing found wrong. */
  readonly fault?: LedgerIssue | SealIssue;
}

export interface SealsSeen {
  readonly seals: number;
  /** Time of the newest seal. ms since the epoch */
  readonly newest?: number;
  /** Entries that no seal covers yet. */
  readonly unsealed: number;
  /** Some of these are older than two intervals: sealing has stopped, or seals were taken away. */
  readonly late: boolean;
}

/** Returns the place of an issue in words: `pkt-…, entry 3`, `seal 12`. */
export function placeOf(fault: LedgerIssue | SealIssue): string {
  return "seal" in fault ? `seal ${fault.seal}` : `${fault.chain}, entry ${fault.seq}`;
}

export interface VerifyOptions {
  readonly evidence?: Evidence;
  /** Only what was sealed since. Needs evidence. ms since the epoch */
  readonly since?: number;
  readonly onProgress?: (entries: number) => void;
}

/** The parts of an engine that are read to verify its ledger. */
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
 * Verifies the ledger and stops at the first issue.
 *
 * Checks that every chain is intact from its first entry to the one its record ends with, and that every record has a
 * chain. With evidence it also checks that every sealed entry is present and unchanged, and that no entry was inserted.
 *
 * With `since` it reads only the seals made since then and the chains they name. It finds changed and missing entries
 * among these, but no inserted ones.
 */
export async function verifyLedger(engine: VerifiedEngine, options: VerifyOptions = {}): Promise<Verification> {
  const { evidence, since, onProgress } = options;
  if (since === undefined) return verifyWhole(engine, evidence && new SealedEntries(evidence), onProgress);
  if (!evidence) throw new TypeError("without seals nothing tells what was written since then; check the whole ledger");
  return verifySince(engine, evidence, since, onProgress);
}

async function verifyWhole(
  engine: VerifiedEngine,
  sealed: SealedEntries | undefined,
  onProgress: VerifyOptions["onProgress"],
): Promise<Verification> {
  const count = { chains: 0, entries: 0 };
  const result = (fault?: LedgerIssue | SealIssue): Verification => ({
    ...count,
    ...(sealed && { seals: seen(engine, sealed) }),
    ...(fault && { fault }),
  });
  for (let part = 0; part < (sealed?.parts ?? 1); part++) {
    const sealFault = await sealed?.load(part);
    if (sealFault) return result(sealFault);
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
        let fault: LedgerIssue | undefined;
        if (ends) {
          count.chains++;
          count.entries += entries.length;
          onProgress?.(count.entries);
          fault = await checkChain(engine, chain, entries, ends.get(chain));
        }
        fault ??= await sealed?.check(entries);
        if (fault) return result(fault);
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
  const sealed: Covered = { seals: 0, unsealed: 0, settlingMs: appended.settlingMs };
  const result = (fault?: LedgerIssue | SealIssue): Verification => ({
    ...count,
    seals: seen(engine, sealed),
    ...(fault && { fault }),
  });
  const check = async (listed: readonly Sealed[], seal?: Seal): Promise<LedgerIssue | undefined> => {
    for (const [chain, own] of Map.groupBy(listed, (entry) => entry.chain)) {
      const entries = await engine.store.chain(chain);
      const lost = seal && own.find(({ seq }) => !entries[seq - 1]);
      if (lost) return missingIssue(lost, seal);
      const changed = seal && own.find(({ seq, hash }) => entries[seq - 1]?.hash !== hash);
      if (changed) return changedIssue(changed, seal);
      count.chains++;
      count.entries += entries.length;
      onProgress?.(count.entries);
      const fault = await checkChain(engine, chain, entries, (await endsOf(engine, [chain])).get(chain));
      if (fault) return fault;
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
    const fault = await check([...sealedIn(seal)], seal);
    if (fault) return result(fault);
  }
  if (sealed.seals === 0) to = (last && openSeal(last.text)?.statement.to) ?? "";
  for (;;) {
    const fresh = await appended.read(to, page);
    if (fresh.to === to) return result();
    if (sealed.unsealed === 0) sealed.oldest = fresh.entries[0]?.at;
    sealed.unsealed += fresh.entries.length;
    to = fresh.to;
    const fault = await check(fresh.entries);
    if (fault) return result(fault);
  }
}

function seen({ clock, times }: VerifiedEngine, { seals, newest, unsealed, oldest, settlingMs }: Covered): SealsSeen {
  const late = oldest !== undefined && clock.now() - oldest > 2 * times.sealMs + settlingMs;
  return { seals, ...(newest !== undefined && { newest }), unsealed, late };
}

/** The ledger a chain at a time, as it is read. */
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

/** While the bridge runs a chain may grow between two reads: a fault counts only once chain and record stood still. */
async function checkChain(
  engine: VerifiedEngine,
  chain: string,
  entries: readonly LedgerEntry[],
  end: End | undefined,
): Promise<LedgerIssue | undefined> {
  for (let before = end; ; ) {
    const fault = before
      ? (verifyChain(chain, entries, before.tail) ?? verifyRecord(engine, before.record, entries))
      : { chain, seq: 1, message: "the record this chain belongs to is missing" };
    if (!fault) return undefined;
    const again = await engine.store.chain(chain);
    const now = (await endsOf(engine, [chain])).get(chain);
    if (again.length === entries.length && now?.tail.seq === before?.tail.seq) return fault;
    entries = again;
    before = now;
  }
}

/** Checks that a packet's fields and status are those that the ledger recorded. */
function verifyRecord(engine: VerifiedEngine, record: PacketRecord | undefined, entries: readonly LedgerEntry[]) {
  if (!record) return undefined;
  const { packet, progress } = record;
  const fault = (seq: number, message: string): LedgerIssue => ({ chain: packet.id, seq, message });
  const isErased = entries.at(-1)?.step === "ERASED";
  if (isErased && Object.keys(packet.fields).length > 0) {
    return fault(entries.length, "the packet has fields, and the ledger says that they were erased");
  }
  if (!isErased && entries[0]?.facts.digest !== digestOf(packet, engine.bridgeKey)) {
    return fault(1, "the packet's fields are not those that were recorded");
  }
  return entries.at(isErased ? -2 : -1)?.step === progress.status
    ? undefined
    : fault(entries.length, `the packet's record says ${progress.status}, and the ledger does not`);
}

/** End of a chain by its record, and for a packet the record itself. */
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

/** A chain that is gone altogether shows only in the records that should have one. */
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
