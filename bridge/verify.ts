import { digestOf } from "./expand.ts";
import { type LedgerEntry, type LedgerFault, type Tail, verifyChain } from "./ledger.ts";
import type { Engine } from "./ports.ts";
import type { PacketRecord } from "./records.ts";

export interface Verification {
  readonly chains: number;
  readonly entries: number;
  /** The first thing found wrong. */
  readonly fault?: LedgerFault;
}

const page = 500;

/**
 * Checks the whole ledger: every chain from its first entry to the one its record ends with, and that no record is
 * without a chain. Stops at the first fault.
 */
export async function verifyLedger(engine: Engine, onProgress?: (entries: number) => void): Promise<Verification> {
  let chains = 0;
  let entries = 0;
  let current: LedgerEntry[] = [];
  const check = async (): Promise<LedgerFault | undefined> => {
    const [first] = current;
    if (!first) return undefined;
    chains++;
    return checkChain(engine, first.chain, current);
  };

  let after: string | undefined;
  do {
    const found = await engine.store.ledger({ limit: page, ...(after && { after }) });
    for (const entry of found.items) {
      if (current.length > 0 && current[0]?.chain !== entry.chain) {
        const fault = await check();
        if (fault) return { chains, entries, fault };
        current = [];
      }
      current.push(entry);
      entries++;
    }
    onProgress?.(entries);
    after = found.next;
  } while (after !== undefined);
  const fault = (await check()) ?? (await recordsWithoutChain(engine, chains));
  return { chains, entries, ...(fault && { fault }) };
}

/** While the bridge runs a chain may grow between two reads: a fault counts only once chain and record stood still. */
async function checkChain(
  engine: Engine,
  chain: string,
  entries: readonly LedgerEntry[],
): Promise<LedgerFault | undefined> {
  for (let before = await endOf(engine, chain); ; ) {
    const fault = before
      ? (verifyChain(chain, entries, before.tail) ?? verifyRecord(engine, before.record, entries))
      : { chain, seq: 1, message: "the record this chain belongs to is missing" };
    if (!fault) return undefined;
    const again = await engine.store.chain(chain);
    const now = await endOf(engine, chain);
    if (again.length === entries.length && now?.tail.seq === before?.tail.seq) return fault;
    entries = again;
    before = now;
  }
}

/** A packet's fields and status must be those the ledger was told of. */
function verifyRecord(engine: Engine, record: PacketRecord | undefined, entries: readonly LedgerEntry[]) {
  if (!record) return undefined;
  const { packet, progress } = record;
  const fault = (seq: number, message: string): LedgerFault => ({ chain: packet.id, seq, message });
  if (entries[0]?.facts.digest !== digestOf(packet, engine.bridgeKey)) {
    return fault(1, "the packet's fields are not those that were recorded");
  }
  return entries.at(-1)?.step === progress.status
    ? undefined
    : fault(entries.length, `the packet's record says ${progress.status}, and the ledger does not`);
}

/** Where the record says its chain ends, and for a packet the record itself. */
async function endOf(engine: Engine, chain: string): Promise<{ tail: Tail; record?: PacketRecord } | undefined> {
  if (chain.startsWith("pkt-")) {
    const [stored] = await engine.store.read("packet", [chain]);
    return stored && { tail: stored.value.progress.tail, record: stored.value };
  }
  const [stored] = await engine.store.read("event", [chain]);
  return stored && { tail: stored.value.tail };
}

/** A chain that is gone altogether shows only in the records that should have one. */
async function recordsWithoutChain(engine: Engine, chains: number): Promise<LedgerFault | undefined> {
  const { events, packets } = await engine.store.tally();
  const { duplicates: _, ...byStatus } = events;
  const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((a, b) => a + b, 0);
  if (sum(byStatus) + sum(packets) === chains) return undefined;

  const missing = (chain: string): LedgerFault => ({ chain, seq: 1, message: "all entries of this chain are missing" });
  let after: string | undefined;
  do {
    const found = await engine.store.packets({ limit: page, ...(after && { after }) });
    for (const { packet } of found.items)
      if ((await engine.store.chain(packet.id)).length === 0) return missing(packet.id);
    after = found.next;
  } while (after !== undefined);
  let position: string | undefined;
  for (;;) {
    const found = await engine.store.events({ limit: page, ...(position && { after: position }) });
    for (const { key } of found) if ((await engine.store.chain(key)).length === 0) return missing(key);
    if (found.length === 0) return undefined;
    position = found.at(-1)?.position;
  }
}
