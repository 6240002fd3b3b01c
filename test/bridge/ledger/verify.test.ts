import { describe, expect, it } from "vitest";
import { SealedEntries } from "../../../bridge/ledger/sealed-entries.ts";
import { verifyLedger } from "../../../bridge/ledger/verify.ts";
import type { LedgerEntry, LedgerIssue } from "../../../bridge/model/ledger-entry.ts";
import { aCore, type Core } from "../../support/core.ts";
import { aSealing } from "../../support/seals.ts";

describe("ledger verification", { tags: "row-33" }, () => {
  it("finds no problem in what the bridge wrote", async () => {
    await using core = await aWorkedCore();

    const found = await verifyLedger(core.engine);

    expect(found.fault).toBeUndefined();
    expect(found.entries).toBe((await core.entries()).length);
    expect(found.chains).toBe(new Set((await core.entries()).map(({ chain }) => chain)).size);
  });

  it("finds any changed byte and names the chain and the entry", async () => {
    await using core = await aWorkedCore();
    const rows = rowsOf(core);
    const missed: string[] = [];

    for (const { seq, number, entry } of rows) {
      const chain = (JSON.parse(entry) as { chain: string }).chain;
      for (let at = 0; at < entry.length; at += 3) {
        const flipped = entry.slice(0, at) + String.fromCharCode(entry.charCodeAt(at) ^ 1) + entry.slice(at + 1);
        tamper(core, "UPDATE ledger SET entry = ? WHERE seq = ?", flipped, seq);
        const { fault } = await verifyLedger(core.engine).catch((error: Error) => ({ fault: error }));
        const isNamed = fault && "chain" in fault && fault.chain === chain && Math.abs(fault.seq - number) <= 1;
        // If the flipped byte is in the chain's name, the entry belongs to an unknown chain.
        const isElsewhere = fault && "chain" in fault && flipped.includes(`"chain":"${fault.chain}"`);
        if (!isNamed && !isElsewhere) missed.push(`${chain} ${number} at ${at}: ${JSON.stringify(fault)}`);
      }
      tamper(core, "UPDATE ledger SET entry = ? WHERE seq = ?", entry, seq);
    }

    expect(missed).toEqual([]);
  });

  it("finds any deleted entry", async () => {
    await using core = await aWorkedCore();

    for (const { seq, owner, number, entry } of rowsOf(core)) {
      const { chain } = JSON.parse(entry) as { chain: string };
      tamper(core, "DELETE FROM ledger WHERE seq = ?", seq);
      expect((await verifyLedger(core.engine)).fault).toMatchObject({ chain, seq: number });
      tamper(core, "INSERT INTO ledger (seq, owner, number, entry) VALUES (?, ?, ?, ?)", seq, owner, number, entry);
    }
  });

  it("finds a packet whose status was changed in the table", async () => {
    await using core = await aWorkedCore();
    const [packet] = await core.packets();
    const id = packet?.packet.id as string;

    tamper(core, "UPDATE packets SET progress = json_set(progress, '$.status', 'DISCARDED') WHERE id = ?", id);

    expect((await verifyLedger(core.engine)).fault).toMatchObject({
      chain: id,
      message: expect.stringContaining("has the status DISCARDED"),
    });
  });

  it("finds a packet whose fields were changed in the table", async () => {
    await using core = await aWorkedCore();
    const [packet] = await core.packets();

    tamper(
      core,
      "UPDATE packet_bodies SET packet = json_set(packet, '$.fields.forged', 1) WHERE packet LIKE ?",
      `%${packet?.packet.id}%`,
    );

    expect((await verifyLedger(core.engine)).fault).toEqual({
      chain: packet?.packet.id,
      seq: 1,
      message: "the packet's fields are not those that were recorded",
    });
  });

  it("finds a completely deleted chain", async () => {
    await using core = await aWorkedCore();
    const [packet] = await core.packets();
    const chain = packet?.packet.id as string;
    const owner = rowsOf(core).find(({ entry }) => entry.includes(`"chain":"${chain}"`))?.owner as number;

    tamper(core, "DELETE FROM ledger WHERE owner = ?", owner);

    expect((await verifyLedger(core.engine)).fault).toEqual({
      chain,
      seq: 1,
      message: "all entries of this chain are missing",
    });
  });

  it("finds two swapped entries", async () => {
    await using core = await aWorkedCore();
    const [lane] = [...Map.groupBy(rowsOf(core), ({ owner }) => owner).values()].filter(({ length }) => length > 1);
    const [a, b] = lane as [Row, Row];

    tamper(core, "UPDATE ledger SET entry = ? WHERE seq = ?", b.entry, a.seq);
    tamper(core, "UPDATE ledger SET entry = ? WHERE seq = ?", a.entry, b.seq);

    expect((await verifyLedger(core.engine)).fault).toMatchObject({ seq: 1 });
  });

  it("finds an inserted entry", async () => {
    await using core = await aWorkedCore();
    const last = rowsOf(core).at(-1);
    const { owner, number, entry } = last as NonNullable<typeof last>;

    tamper(core, "INSERT INTO ledger (owner, number, entry) VALUES (?, ?, ?)", owner, number + 1, entry);

    expect((await verifyLedger(core.engine)).fault).toMatchObject({ seq: number + 1 });
  });

  it("finds a chain whose record was deleted", async () => {
    await using core = await aWorkedCore();
    const [first] = await core.packets();

    // Its owner's number means nothing any more; another record would get it.
    tamper(core, "DELETE FROM packets WHERE id = ?", first?.packet.id as string);

    expect((await verifyLedger(core.engine)).fault).toMatchObject({ chain: first?.packet.id });
  });

  it("reads all pages and finds a problem on the last one", async () => {
    await using core = await aCore();
    await core.emit(...Array.from({ length: 300 }, (_, i) => ({ id: `${i}`, subject: `${i}`, data: { new_rate: i } })));
    await core.run();
    const last = rowsOf(core)
      .sort((a, b) => a.owner - b.owner || a.number - b.number)
      .at(-1);

    expect(await verifyLedger(core.engine)).toEqual({ chains: 600, entries: 900 });
    tamper(core, "DELETE FROM ledger WHERE seq = ?", last?.seq as number);

    expect((await verifyLedger(core.engine)).fault).toBeDefined();
  });

  it("raises no false alarm while the bridge is running", async () => {
    await using core = await aCore();
    const faults: unknown[] = [];
    for (let i = 0; i < 60; i++) {
      await core.emit({ id: `${i}`, subject: `${i % 3}`, data: { new_rate: i } });
      const [found] = await Promise.all([verifyLedger(core.engine), core.run()]);
      if (found.fault) faults.push(found.fault);
    }

    expect(faults).toEqual([]);
  });

  it("raises no false alarm while the bridge is running and sealing, in full and with `since`", async () => {
    await using core = await aCore();
    const { seal, evidence } = aSealing(core.engine.store.appended, core.clock);
    const faults: unknown[] = [];
    for (let i = 0; i < 60; i++) {
      await core.emit({ id: `${i}`, subject: `${i % 3}`, data: { new_rate: i } });
      // The clock jumps an hour back and forth: order follows numbers and positions, never the clock.
      core.clock.set(core.clock.now() + (i % 2 === 0 ? 3_600_000 : -3_600_000));
      const checks = [verifyLedger(core.engine, { evidence }), verifyLedger(core.engine, { evidence, since: 0 })];
      const [found] = await Promise.all([Promise.all(checks), core.run(), i % 5 === 0 ? seal() : undefined]);
      faults.push(...found.flatMap(({ fault }) => fault ?? []));
    }

    expect(faults).toEqual([]);
    await seal();
    const { seals, entries } = await verifyLedger(core.engine, { evidence });
    expect(seals).toMatchObject({ unsealed: 0, late: false });
    expect(entries).toBe((await core.entries()).length);
  });

  it("accepts entries that were appended after it read the seals", async () => {
    await using core = await aWorkedCore();
    const { seal, evidence } = aSealing(core.engine.store.appended, core.clock);
    await seal();
    const sealed = new SealedEntries(evidence);
    await sealed.load(0);

    await core.emit({ id: "9", subject: "z", data: { new_rate: 9 } });
    await core.run();

    expect(await sealed.check(await core.entries())).toBeUndefined();
    expect(await sealed.missing()).toBeUndefined();
  });

  it("finds any packet or event deleted together with its chain", async () => {
    await using core = await aWorkedCore();
    const { seal, evidence } = aSealing(core.engine.store.appended, core.clock);
    await seal();
    const chains = new Map((await core.entries()).map(({ chain }) => [chain, chain]));

    for (const chain of chains.keys()) {
      const table = chain.startsWith("pkt-") ? "packets" : "events";
      const rows = rowsOf(core).filter(({ entry }) => (JSON.parse(entry) as { chain: string }).chain === chain);
      for (const { seq } of rows) tamper(core, "DELETE FROM ledger WHERE seq = ?", seq);
      tamper(core, `UPDATE ${table} SET id = 'away-' || id WHERE id = ?`, chain);
      for (const since of [undefined, 0]) {
        const { fault } = await verifyLedger(core.engine, { evidence, ...(since !== undefined && { since }) });
        expect(fault).toEqual({ chain, seq: 1, message: expect.stringMatching(/^is gone: seal 1 /) });
      }
      tamper(core, `UPDATE ${table} SET id = ? WHERE id = 'away-' || ?`, chain, chain);
      for (const { seq, owner, number, entry } of rows) {
        tamper(core, "INSERT INTO ledger (seq, owner, number, entry) VALUES (?, ?, ?, ?)", seq, owner, number, entry);
      }
    }
    expect((await verifyLedger(core.engine, { evidence })).fault).toBeUndefined();
  });

  it("counts unsealed entries and reports if they have waited too long", async () => {
    await using core = await aWorkedCore();
    const { seal, evidence } = aSealing(core.engine.store.appended, core.clock);
    await seal();
    await core.emit({ id: "9", subject: "z", data: { new_rate: 9 } });
    await core.run();

    expect((await verifyLedger(core.engine, { evidence })).seals).toMatchObject({ seals: 1, unsealed: 3, late: false });
    await core.clock.advance(600_001);
    expect((await verifyLedger(core.engine, { evidence })).seals).toMatchObject({ unsealed: 3, late: true });
    expect((await verifyLedger(core.engine, { evidence, since: 0 })).seals).toMatchObject({ unsealed: 3, late: true });
  });

  it("requires seals to verify from a given time", async () => {
    await using core = await aCore();

    await expect(verifyLedger(core.engine, { since: 0 })).rejects.toThrow("verify the whole ledger");
  });

  it("reads a ledger in parts if its hashes do not fit in memory", async () => {
    await using core = await aCore();
    const sealing = aSealing(core.engine.store.appended, core.clock);
    await core.emit(...Array.from({ length: 100 }, (_, i) => ({ id: `${i}`, subject: `${i}`, data: { new_rate: i } })));
    await core.run();
    await sealing.seal();
    const entries = await core.entries();
    const [lost] = entries.splice(150, 1) as [LedgerEntry];
    const foreign = { ...lost, seq: 9, hash: "f".repeat(64) };

    const sealed = new SealedEntries(sealing.evidence, 50);
    const strange: (LedgerIssue | undefined)[] = [];
    const missing: (LedgerIssue | undefined)[] = [];
    for (let part = 0; part === 0 || part < sealed.parts; part++) {
      expect(await sealed.load(part)).toBeUndefined();
      strange.push(await sealed.check([...entries, foreign]));
      missing.push(await sealed.missing());
    }

    expect(sealed.parts).toBeGreaterThanOrEqual(8);
    expect(strange.filter((fault) => fault)).toEqual([
      { chain: lost.chain, seq: 9, message: expect.stringContaining("is in no seal") },
    ]);
    expect(missing.filter((fault) => fault)).toEqual([
      { chain: lost.chain, seq: lost.seq, message: expect.stringMatching(/^is gone: seal 1 /) },
    ]);
  });

  it("rejects a second write of an existing entry", async () => {
    await using core = await aWorkedCore();

    expect(() => core.engine.db.sql("UPDATE ledger SET entry = '{}'").run()).toThrow(/append-only/);
    expect(() => core.engine.db.sql("DELETE FROM ledger").run()).toThrow(/append-only/);
  });
});

async function aWorkedCore(): Promise<Core> {
  const core = await aCore();
  await core.emit(
    { id: "1", subject: "a", data: { new_rate: 1 } },
    { id: "1", subject: "a", data: { new_rate: 1 } },
    { id: "2", subject: "b", data: { new_rate: 2 } },
    "malformed",
  );
  await core.run();
  return core;
}

interface Row {
  readonly seq: number;
  readonly owner: number;
  readonly number: number;
  readonly entry: string;
}

function rowsOf(core: Core): Row[] {
  return core.engine.db.sql("SELECT seq, owner, number, entry FROM ledger ORDER BY seq").all() as unknown as Row[];
}

/** Changes the store's file directly, without the triggers that protect the ledger. */
function tamper(core: Core, sql: string, ...values: (string | number)[]): void {
  core.engine.db.sql("DROP TRIGGER IF EXISTS ledger_keeps_entries").run();
  core.engine.db.sql("DROP TRIGGER IF EXISTS ledger_keeps_all").run();
  core.engine.db.sql(sql).run(...values);
}
