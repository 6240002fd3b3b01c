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

describe("ledger tampering with full access to the store", () => {
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
