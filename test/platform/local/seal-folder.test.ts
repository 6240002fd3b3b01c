import { createPrivateKey, createPublicKey } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it, vi } from "vitest";
import { append, tailOf } from "../../../bridge/ledger/chain.ts";
import { type Verification, verifyLedger } from "../../../bridge/ledger/verify.ts";
import { sheetSet } from "../../../bridge/mapping/sheet-set.ts";
import { Catalog, type Http } from "../../../bridge/model/connector.ts";
import type { LedgerEntry } from "../../../bridge/model/ledger-entry.ts";
import { digestOf, type Packet } from "../../../bridge/model/packet.ts";
import { type LocalEngine, openLocalEngine } from "../../../platform/local/engine.ts";
import type { Sealing } from "../../../platform/local/seal-folder.ts";
import { bridgeKeyIn } from "../../../platform/local/secrets.ts";
import { checkSettings } from "../../../platform/local/settings.ts";
import { startWorkerLoops } from "../../../platform/local/worker-loops.ts";
import { aSheet } from "../../support/builders.ts";
import { ManualClock, until } from "../../support/clock.ts";
import { fakeTarget } from "../../support/core.ts";
import { type Home, home } from "../../support/home.ts";

describe("ledger tampering with full access to the store", { tags: "row-33" }, () => {
  it("verification finds a changed entry", async () => {
    using office = await aSealedOffice();
    const [, second] = office.entriesOf("pkt-");

    office.tamper("UPDATE ledger SET entry = replace(entry, '\"tries\":1', '\"tries\":7') WHERE seq = ?", second.row);

    expect(await office.verify()).toEqual({
      chain: second.chain,
      seq: 2,
      message: "was changed after it was written",
    });
  });

  it("verification finds a deleted entry", async () => {
    using office = await aSealedOffice();
    const [first] = office.entriesOf("pkt-");

    office.tamper("DELETE FROM ledger WHERE seq = ?", first.row);

    expect(await office.verify()).toMatchObject({ chain: first.chain, seq: 1 });
  });

  it("verification finds two swapped entries", async () => {
    using office = await aSealedOffice();
    const [first, second] = office.entriesOf("pkt-");

    office.tamper("UPDATE ledger SET entry = ? WHERE seq = ?", second.text, first.row);
    office.tamper("UPDATE ledger SET entry = ? WHERE seq = ?", first.text, second.row);

    expect(await office.verify()).toMatchObject({ chain: first.chain, seq: 1 });
  });

  it("verification finds a chain overwritten with another's entries", async () => {
    using office = await aSealedOffice();
    const [mine] = office.entriesOf("pkt-");
    const [others] = office.entriesOf("evt-");

    office.tamper("UPDATE ledger SET entry = ? WHERE seq = ?", others.text, mine.row);

    expect(await office.verify()).toMatchObject({
      chain: expect.stringMatching(`${mine.chain}|${others.chain}`),
      seq: 1,
    });
  });

  it("verification finds a truncated chain even if the packet's record was reverted to match", async () => {
    using office = await aSealedOffice();
    const [first, second] = office.entriesOf("pkt-");

    office.tamper("DELETE FROM ledger WHERE seq = ?", second.row);
    office.record(first.chain, { status: "QUEUED", tail: tailOf(first.entry) });

    expect(await office.verify()).toEqual({
      chain: first.chain,
      seq: 2,
      message: expect.stringMatching(/^is gone: seal 1/),
    });
  });

  it("verification finds a truncated ledger even if all records were reverted to match", async () => {
    using office = await aSealedOffice();
    const cut = office.entriesOf("").slice(4);

    for (const { row } of cut) office.tamper("DELETE FROM ledger WHERE seq = ?", row);
    for (const table of ["packets", "events"]) {
      office.tamper(`DELETE FROM ${table} WHERE id NOT IN (SELECT json_extract(entry, '$.chain') FROM ledger)`);
    }

    const fault = await office.verify();
    expect(cut.map(({ chain, entry }) => `${chain} ${entry.seq}`)).toContain(
      fault && "chain" in fault && `${fault.chain} ${fault.seq}`,
    );
  });

  it("verification finds a consistently rewritten chain with its packet's record, fields and digest", async () => {
    using office = await aSealedOffice();
    const own = office.entriesOf("pkt-").filter(({ chain }, _, [first]) => chain === first?.chain);
    const id = own[0]?.chain as string;
    const packet = { ...office.packet(id), fields: { rate: 1_000_000 } };
    let last: LedgerEntry | undefined;
    for (const { row, entry } of own) {
      const facts = last ? entry.facts : { ...entry.facts, digest: digestOf(packet, await office.bridgeKey()) };
      last = append(id, last && { tail: tailOf(last), step: last.step }, { at: entry.at, step: entry.step, facts });
      office.tamper("UPDATE ledger SET entry = ? WHERE seq = ?", JSON.stringify(last), row);
    }
    office.record(id, { tail: tailOf(last as LedgerEntry) });
    office.tamper(
      "UPDATE packet_bodies SET packet = ? WHERE seq = (SELECT seq FROM packets WHERE id = ?)",
      JSON.stringify(packet),
      id,
    );

    expect(await office.verify({ without: "seals" })).toBeUndefined();
    expect(await office.verify()).toEqual({
      chain: id,
      seq: 1,
      message: expect.stringMatching(/^was changed after it was sealed: seal 1 of 20.*Z lists another hash$/),
    });
  });

  it.each(["pkt-", "evt-"])("verification finds a deleted %s… record with its whole chain", async (kind) => {
    using office = await aSealedOffice();
    const [first] = office.entriesOf(kind);
    const table = kind === "pkt-" ? "packets" : "events";
    const factor = kind === "pkt-" ? "seq * 2" : "seq * 2 + 1";

    office.tamper(`DELETE FROM ledger WHERE owner = (SELECT ${factor} FROM ${table} WHERE id = ?)`, first.chain);
    office.tamper(`DELETE FROM ${table} WHERE id = ?`, first.chain);

    expect(await office.verify({ without: "seals" })).toBeUndefined();
    expect(await office.verify()).toEqual({
      chain: first.chain,
      seq: 1,
      message: expect.stringMatching(/^is gone: seal 1 /),
    });
  });

  it("verification finds that everything was deleted, including the store's record of seals", async () => {
    using office = await aSealedOffice();
    const [first] = office.entriesOf("");

    for (const table of ["ledger", "packets", "packet_bodies", "events", "documents"])
      office.tamper(`DELETE FROM ${table}`);

    expect(await office.verify()).toEqual({ chain: first.chain, seq: 1, message: expect.stringMatching(/^is gone/) });
  });

  it("verification finds a packet inserted with its own chain before sealed entries", async () => {
    using office = await aSealedOffice();
    const forged = { ...office.packet(office.entriesOf("pkt-")[0]?.chain as string), id: "pkt-forgedforgedforg" };
    const entry = append(forged.id, undefined, {
      at: Date.now(),
      step: "QUEUED",
      facts: { digest: digestOf(forged, await office.bridgeKey()) },
    });
    office.tamper(
      "INSERT INTO packets SELECT 900, ?, 1, connector, 'QUEUED', recorded_at, unsent, strict_lane, strict_order, strict_source, strict_sequence, strict_epoch, json_set(progress, '$.status', 'QUEUED', '$.tail', json(?)) FROM packets LIMIT 1",
      forged.id,
      JSON.stringify(tailOf(entry)),
    );
    office.tamper("INSERT INTO packet_bodies VALUES (900, ?)", JSON.stringify(forged));
    office.tamper("INSERT INTO ledger (seq, owner, number, entry) VALUES (0, 1800, 1, ?)", JSON.stringify(entry));

    expect(await office.verify({ without: "seals" })).toBeUndefined();
    expect(await office.verify()).toEqual({
      chain: forged.id,
      seq: 1,
      message: "is in no seal and was not appended since the newest seal: it was inserted",
    });
  });

  it("verification since a seal finds tampering without reading older entries", async () => {
    using office = await aSealedOffice();
    const [first] = office.entriesOf("pkt-");
    office.tamper("DELETE FROM ledger WHERE owner = (SELECT seq * 2 FROM packets WHERE id = ?)", first.chain);
    office.tamper("DELETE FROM packets WHERE id = ?", first.chain);

    expect(await office.verify({ since: 0 })).toEqual({
      chain: first.chain,
      seq: 1,
      message: expect.stringMatching(/^is gone: seal 1 /),
    });
    expect(await office.verify({ since: Date.now() + 60_000 })).toBeUndefined();
  });

  it("verification reports entries unsealed for too long if all seals were deleted", async () => {
    using office = await aSealedOffice();
    rmSync(office.seals, { recursive: true });
    office.tamper("DELETE FROM documents");

    expect((await office.result()).seals).toMatchObject({ seals: 0, late: false });
    expect((await office.result({ later: 601_000 })).seals).toMatchObject({ seals: 0, late: true });
  });

  it("an auditor with the original key finds seals signed again with another key", async () => {
    using office = await aSealedOffice();
    const originalKey = readFileSync(join(office.seals, "seal-key.pem"), "utf8");
    rmSync(office.seals, { recursive: true });
    rmSync(join(office.store, "seal-key"));
    office.tamper("DELETE FROM documents");
    await office.work(3);

    expect(await office.verify()).toBeUndefined();
    expect(await office.verify({ key: originalKey })).toEqual({ seal: 1, message: "is signed with another key" });
  });
});

describe("local seals", { tags: "row-33" }, () => {
  it("the worker loops create seals periodically and when they stop", async () => {
    using office = new Office();
    const clock = new ManualClock(Date.now());
    const { engine, target } = await office.open(clock);
    const runner = startWorkerLoops(engine);
    await emit(engine, 1);
    await until(() => target.calls.length === 1);

    await until(async () => {
      await clock.advance(60_000);
      return office.sealFiles().length > 0;
    });
    await emit(engine, 2);
    await until(() => target.calls.length === 2);
    await runner?.stop();
    const { fault, seals } = await verifyLedger(engine, {
      ...(engine.sealing && { evidence: engine.sealing.evidence() }),
    });
    await engine.db.close();

    expect(office.sealFiles().length).toBeGreaterThanOrEqual(2);
    expect(fault).toBeUndefined();
    expect(seals).toMatchObject({ unsealed: 0, late: false });
  });

  it("the folder has only read-only seals and the public key; only the owner can read the private key", async () => {
    using office = await aSealedOffice();

    const modes = Object.fromEntries(
      [...readdirSync(office.seals).map((name) => join(office.seals, name)), join(office.store, "seal-key")].map(
        (file) => [file.slice(office.path.length + 1), (statSync(file).mode & 0o777).toString(8)],
      ),
    );

    expect(modes).toEqual({
      "seals/000000001.seal": "444",
      "seals/seal-key.pem": "444",
      "store/seal-key": "600",
    });
    const own = createPublicKey(createPrivateKey(readFileSync(join(office.store, "seal-key"))));
    expect(own.export({ type: "spki", format: "pem" })).toBe(readFileSync(join(office.seals, "seal-key.pem"), "utf8"));
  });

  it("a seal is never overwritten, and a partial file after a crash does not count as one", async () => {
    using office = await aSealedOffice();
    const before = readFileSync(join(office.seals, "000000001.seal"), "utf8");
    writeFileSync(join(office.seals, "000000002.seal.new"), '{"seal":2,', { mode: 0o444 });

    await office.work(1);

    expect(readFileSync(join(office.seals, "000000001.seal"), "utf8")).toBe(before);
    expect(office.sealFiles().slice(0, 2)).toEqual(["000000001.seal", "000000002.seal"]);
    expect(await office.verify()).toBeUndefined();
  });

  it("sealing resumes after a crash between writing a seal and recording it", async () => {
    using office = await aSealedOffice();
    office.tamper("DELETE FROM documents WHERE kind = 'seal'");

    await office.work(1);

    expect(office.sealFiles().slice(0, 2)).toEqual(["000000001.seal", "000000002.seal"]);
    expect(await office.verify()).toBeUndefined();
  });

  it("seals of another store are left alone, and the bridge logs this and continues", async () => {
    using office = await aSealedOffice();
    renameSync(office.store, join(office.path, "old"));

    const lines = await office.work(1);

    expect(office.sealFiles()).toEqual(["000000001.seal"]);
    expect(lines).toContainEqual(
      expect.objectContaining({
        step: "seal-failed",
        reason: expect.stringContaining("signed with a key other than this store's"),
      }),
    );
  });

  it.each(["", "-----BEGIN PRIV", "\0".repeat(200)])(
    "sealing replaces a private key that a crash left incomplete before the first seal: %j",
    async (text) => {
      using office = new Office();
      mkdirSync(office.store, { mode: 0o700 });
      writeFileSync(join(office.store, "seal-key"), text, { mode: 0o600 });

      const lines = await office.work(1);

      expect(lines).not.toContainEqual(expect.objectContaining({ step: "seal-failed" }));
      expect(office.sealFiles()).toEqual(["000000001.seal"]);
      expect(await office.verify()).toBeUndefined();
    },
  );

  it("sealing stops with a damaged private key that has signed seals, names the fix, and resumes with the key", async () => {
    using office = await aSealedOffice();
    const file = join(office.store, "seal-key");
    const key = readFileSync(file, "utf8");
    writeFileSync(file, "");

    const lines = await office.work(1);

    expect(office.sealFiles()).toEqual(["000000001.seal"]);
    expect(readFileSync(file, "utf8")).toBe("");
    expect(lines).toContainEqual(
      expect.objectContaining({
        step: "seal-failed",
        reason: expect.stringContaining(`${file} does not hold a private key; restore it from a backup of the store`),
      }),
    );
    expect(await office.verify()).toBeUndefined();
    writeFileSync(file, key);
    await office.work(1);
    expect((await office.result()).seals?.unsealed).toBe(0);
    expect(await office.verify()).toBeUndefined();
  });

  it("sealing completes a public key that a crash left incomplete in the folder", async () => {
    using office = await aSealedOffice();
    const file = join(office.seals, "seal-key.pem");
    const pem = readFileSync(file, "utf8");
    rmSync(file);
    writeFileSync(file, pem.slice(0, 30), { mode: 0o444 });

    const lines = await office.work(1);

    expect(lines).not.toContainEqual(expect.objectContaining({ step: "seal-failed" }));
    expect(readFileSync(file, "utf8")).toBe(pem);
    expect(statSync(file).mode & 0o777).toBe(0o444);
  });

  it("sealing leaves an incomplete public key alone if the folder's seals are another store's", async () => {
    using office = await aSealedOffice();
    renameSync(office.store, join(office.path, "old"));
    const file = join(office.seals, "seal-key.pem");
    rmSync(file);
    writeFileSync(file, "");

    const lines = await office.work(1);

    expect(lines).toContainEqual(
      expect.objectContaining({ reason: expect.stringContaining("signed with a key other than this store's") }),
    );
    expect(readFileSync(file, "utf8")).toBe("");
  });

  it("sealing waits while the folder is not writable and loses nothing", {
    skip: process.getuid?.() === 0,
  }, async () => {
    using office = await aSealedOffice();
    chmodSync(office.seals, 0o500);
    await office.work(1);
    chmodSync(office.seals, 0o700);
    await office.work(1);

    expect(await office.verify()).toBeUndefined();
    expect((await office.result()).seals?.unsealed).toBe(0);
  });

  it("the seal folder cannot be inside the store", async () => {
    using office = new Office();
    office.sealsAt = join(office.store, "seals");

    await expect(office.open()).rejects.toThrow(/is inside the store; choose one outside it/);
  });

  it("a reader creates no seals", async () => {
    using office = new Office();
    const { engine } = await office.open();
    await verifyLedger(engine, { ...(engine.sealing && { evidence: engine.sealing.evidence() }) });
    await engine.db.close();

    expect(existsSync(office.seals)).toBe(false);
    expect(existsSync(join(office.store, "seal-key"))).toBe(false);
  });
});

interface Found {
  readonly row: number;
  readonly chain: string;
  readonly text: string;
  readonly entry: LedgerEntry;
}

/** A store and its seals on disk, with operations to deliver packets and to tamper with the files. */
class Office implements Disposable {
  readonly #home: Home = home();
  readonly path = this.#home.path;
  readonly store = join(this.path, "store");
  readonly seals = join(this.path, "seals");
  sealsAt = this.seals;

  async open(clock?: ManualClock, log: (line: object) => void = () => {}) {
    const target = fakeTarget();
    const sheet = aSheet("source_event: t\ntargets: { fake: { connector: Fake, map: { rate: rate } } }");
    const engine = await openLocalEngine({
      dir: this.store,
      catalog: new Catalog([target.connector]),
      sheets: () => sheetSet([sheet], { otherwise: "block", rules: [] }),
      settings: checkSettings({ seals: this.sealsAt }, "the test"),
      http: () => ({}) as Http,
      env: {},
      log,
      ...(clock && { clock }),
    });
    return { engine, target };
  }

  /** Delivers a number of packets and seals the ledger. Returns the log lines. */
  async work(packets: number): Promise<object[]> {
    const lines: object[] = [];
    const { engine, target } = await this.open(undefined, (line) => lines.push(line));
    // The loops seal when they start and when they stop. The first time must be over, so that one seal has all entries.
    const sealed = vi.spyOn(engine.sealing as Sealing, "seal");
    const runner = startWorkerLoops(engine);
    await sealed.mock.results[0]?.value.catch(() => {});
    for (let i = 0; i < packets; i++) await emit(engine, i);
    await until(() => target.calls.length === packets);
    await runner?.stop();
    await engine.queue.end();
    await engine.db.close();
    return lines;
  }

  async result(
    options: { since?: number; key?: string; without?: "seals"; later?: number } = {},
  ): Promise<Verification> {
    const { engine } = await this.open();
    const { since, key, without, later = 0 } = options;
    try {
      const found = without ? undefined : engine.sealing?.evidence();
      const evidence = found && { ...found, ...(key && { publicKey: createPublicKey(key) }) };
      const at = { ...engine, clock: { ...engine.clock, now: () => Date.now() + later } };
      return await verifyLedger(at, { ...(evidence && { evidence }), ...(since !== undefined && { since }) });
    } finally {
      await engine.db.close();
    }
  }

  async verify(options: Parameters<Office["result"]>[0] = {}) {
    return (await this.result(options)).fault;
  }

  sealFiles(): string[] {
    return readdirSync(this.seals)
      .filter((name) => name.endsWith(".seal"))
      .sort();
  }

  /** Returns the entries of all chains whose id begins with `kind`, grouped by chain. For `""`, in append order. */
  entriesOf(kind: string): [Found, Found, ...Found[]] {
    const all = this.#sql((db) => db.prepare("SELECT seq, entry FROM ledger ORDER BY seq").all()).map((row): Found => {
      const text = row.entry as string;
      const entry = JSON.parse(text) as LedgerEntry;
      return { row: row.seq as number, chain: entry.chain, text, entry };
    });
    const wanted = all.filter(({ chain }) => chain.startsWith(kind));
    if (kind === "") return wanted as [Found, Found];
    return [...Map.groupBy(wanted, ({ chain }) => chain).values()].flat() as [Found, Found];
  }

  packet(id: string): Packet {
    const sql = "SELECT packet FROM packet_bodies JOIN packets USING (seq) WHERE id = ?";
    return JSON.parse(this.#sql((db) => db.prepare(sql).get(id))?.packet as string) as Packet;
  }

  bridgeKey() {
    return bridgeKeyIn(join(this.store, "key"), { hasRecords: () => true });
  }

  record(id: string, change: { status?: string; tail: object }): void {
    const { status, tail } = change;
    this.tamper(
      "UPDATE packets SET progress = json_set(progress, '$.tail', json(?)) WHERE id = ?",
      JSON.stringify(tail),
      id,
    );
    if (!status) return;
    this.tamper(
      "UPDATE packets SET status = ?, progress = json_set(progress, '$.status', ?) WHERE id = ?",
      status,
      status,
      id,
    );
  }

  tamper(sql: string, ...values: (string | number)[]): void {
    this.#sql((db) => {
      db.exec("DROP TRIGGER IF EXISTS ledger_keeps_entries; DROP TRIGGER IF EXISTS ledger_keeps_all");
      db.prepare(sql).run(...values);
    });
  }

  #sql<T>(use: (db: DatabaseSync) => T): T {
    const db = new DatabaseSync(join(this.store, "bridge.db"));
    try {
      return use(db);
    } finally {
      db.close();
    }
  }

  [Symbol.dispose](): void {
    this.#home[Symbol.dispose]();
  }
}

/** Creates a store with three delivered packets and a sealed ledger. */
async function aSealedOffice(): Promise<Office> {
  const office = new Office();
  await office.work(3);
  return office;
}

async function emit(engine: LocalEngine, rate: number): Promise<void> {
  const body = JSON.stringify({
    id: `${Math.random()}`,
    source: "s",
    type: "t",
    subject: `r-${Math.random()}`,
    data: { rate },
  });
  await engine.queue.send("inbox", [{ group: body, body }]);
}
