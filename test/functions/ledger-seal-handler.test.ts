import { describe, expect, it } from "vitest";
import { openSeal, type Seal, sealedIn } from "../../bridge/ledger/seal.ts";
import { goodSeals } from "../../bridge/ledger/sealed-entries.ts";
import { verifyLedger } from "../../bridge/ledger/verify.ts";
import type { LogLine } from "../../bridge/observability/log.ts";
import { ledgerCopyHandler } from "../../functions/ledger-copy-handler.ts";
import { ledgerSealHandler } from "../../functions/ledger-seal-handler.ts";
import { measuredIn } from "../../functions/log-metrics.ts";
import { BucketSeals, CopiedEntries } from "../../platform/aws/ledger-bucket.ts";
import { memoryBucket } from "../support/bucket.ts";
import { aCore, type Core } from "../support/core.ts";
import { aKeyPair } from "../support/seals.ts";
import { streamRecord } from "./stream-records.ts";

describe("sealing the ledger's copies", () => {
  it("seals what was copied, with the public key beside the seals", async () => {
    await using core = await aCore();
    const { seal, stream, bucket, evidence } = aKeeping(core);
    await work(core, 3);
    await stream();
    await core.clock.advance(120_000);

    await seal();

    expect([...bucket.objects.keys()].filter((name) => !name.startsWith("entries/"))).toEqual([
      "seal-key.pem",
      "seals/000000001.seal",
    ]);
    const listed = [...sealedIn(openSeal(bucket.objects.get("seals/000000001.seal") as string) as Seal)];
    expect(listed.map(({ hash }) => hash).sort()).toEqual((await core.entries()).map(({ hash }) => hash).sort());
    expect(await verifyLedger(core.engine, { evidence })).toMatchObject({ seals: { seals: 1, unsealed: 0 } });
  });

  it("says so each time, also when nothing was written: silence is what the alarm hears", async () => {
    await using core = await aCore();
    const { seal, lines } = aKeeping(core);

    await seal();

    expect(lines).toEqual([{ step: "sealed", seals: 0, entries: 0 }]);
    expect(lines.flatMap(measuredIn)).toEqual([{ name: "EntriesSealed", unit: "Count", value: 0 }]);
  });

  it("waits until a copy is surely there, and passes over none that comes late", async () => {
    await using core = await aCore();
    const { seal, stream, evidence } = aKeeping(core);
    await work(core, 1);
    await stream();
    await core.clock.advance(60_000);
    await seal();
    expect(await Array.fromAsync(evidence.seals.from(1))).toEqual([]);
    await core.clock.advance(120_000);
    await seal();

    await work(core, 1);
    await core.clock.advance(7_200_000);
    await work(core, 1);
    await stream({ from: "newest" });
    await core.clock.advance(300_000);
    await seal();
    await stream();
    await core.clock.advance(300_000);
    await seal();

    const { fault, seals } = await verifyLedger(core.engine, { evidence });
    expect(fault).toBeUndefined();
    expect(seals).toMatchObject({ seals: 3, unsealed: 0 });
  });

  it("lists an entry twice where its batch was copied twice, and the check does not mind", async () => {
    await using core = await aCore();
    const { seal, stream, evidence } = aKeeping(core);
    await work(core, 2);
    await stream();
    await core.clock.advance(60_000);
    await stream({ again: true });
    await core.clock.advance(120_000);

    await seal();

    expect((await verifyLedger(core.engine, { evidence })).fault).toBeUndefined();
  });

  it("takes an entry that is on its way into the bucket for none that was put in; but not for ever", async () => {
    await using core = await aCore();
    const { seal, stream, evidence } = aKeeping(core);
    await work(core, 1);
    await stream();
    await core.clock.advance(120_000);
    await seal();
    await work(core, 1);

    expect((await verifyLedger(core.engine, { evidence })).fault).toBeUndefined();
    await core.clock.advance(900_000);

    expect((await verifyLedger(core.engine, { evidence })).fault).toMatchObject({
      message: expect.stringContaining("is in no seal"),
    });
  });

  it("finds in the table what was changed after it was copied, and what is gone", async () => {
    await using core = await aCore();
    const { seal, stream, evidence } = aKeeping(core);
    await work(core, 2);
    await stream();
    await core.clock.advance(120_000);
    await seal();
    const [packet] = await core.packets();
    const id = packet?.packet.id as string;

    core.engine.db.sql("DROP TRIGGER ledger_keeps_all").run();
    core.engine.db.sql("DELETE FROM ledger WHERE owner = (SELECT seq * 2 FROM packets WHERE id = ?)").run(id);
    core.engine.db.sql("DELETE FROM packets WHERE id = ?").run(id);

    expect((await verifyLedger(core.engine, { evidence })).fault).toEqual({
      chain: id,
      seq: 1,
      message: expect.stringMatching(/^is gone: seal 1 /),
    });
  });

  it("stops where another sealed already, and leaves one chain of seals", async () => {
    await using core = await aCore();
    const { seal, stream, evidence } = aKeeping(core);
    await work(core, 3);
    await stream();
    await core.clock.advance(120_000);

    await Promise.all([seal(), seal(), seal()]);

    const all = await Array.fromAsync(goodSeals(evidence));
    expect(all.map((found) => "statement" in found && found.statement.seal)).toEqual([1]);
  });
});

/** Copying and sealing as on AWS, of a ledger whose stream a test plays by hand. */
function aKeeping(core: Core) {
  const { clock } = core;
  const bucket = memoryBucket();
  const lines: LogLine[] = [];
  const log = (line: LogLine) => lines.push(line);
  const { publicKey, signer } = aKeyPair();
  const [appended, seals] = [new CopiedEntries(bucket, clock), new BucketSeals(bucket)];
  const copy = ledgerCopyHandler({ bucket, clock, log: () => {} });
  let copied = 0;
  return {
    bucket,
    lines,
    evidence: { seals, appended, publicKey, clock },
    seal: ledgerSealHandler({ bucket, publicKey, appended, seals, signer, clock, log }),
    /** Copies what was not copied yet; or only the newest entry first; or all of it once more. */
    async stream({ from, again }: { from?: "newest"; again?: boolean } = {}) {
      const { entries } = await core.engine.store.appended.read("", 10_000);
      const due = again ? entries : entries.slice(copied);
      const batch = from === "newest" ? due.slice(-1) : due;
      if (from !== "newest") copied = entries.length;
      await copy({ Records: batch.map((entry) => streamRecord(entry)) });
    },
  };
}

async function work(core: Core, packets: number): Promise<void> {
  for (let i = 0; i < packets; i++)
    await core.emit({ id: `${core.clock.now()} ${i}`, subject: `${i}`, data: { new_rate: i } });
  await core.run();
}
