import { describe, expect, it } from "vitest";
import { openSeal, type Seal, sealedIn } from "../../bridge/ledger/seal.ts";
import { goodSeals } from "../../bridge/ledger/sealed-entries.ts";
import { verifyLedger } from "../../bridge/ledger/verify.ts";
import type { LogLine } from "../../bridge/observability/log.ts";
import { ledgerCopyHandler } from "../../functions/ledger-copy-handler.ts";
import { ledgerSealHandler } from "../../functions/ledger-seal-handler.ts";
import { measurementsIn } from "../../functions/log-metrics.ts";
import { BucketSeals, CopiedEntries } from "../../platform/aws/ledger-bucket.ts";
import { memoryBucket } from "../support/bucket.ts";
import { aCore, type Core } from "../support/core.ts";
import { aKeyPair } from "../support/seals.ts";
import { streamRecord } from "./stream-records.ts";

describe("ledger seal handler", () => {
  it("seals the copied entries and stores the public key with the seals", async () => {
    await using core = await aCore();
    const { seal, stream, bucket, evidence } = copyAndSeal(core);
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

  it("logs every run, even without new entries, because missing metrics trigger the alarm", async () => {
    await using core = await aCore();
    const { seal, lines } = copyAndSeal(core);

    await seal();

    expect(lines).toEqual([{ step: "sealed", seals: 0, entries: 0 }]);
    expect(lines.flatMap(measurementsIn)).toEqual([{ name: "EntriesSealed", unit: "Count", value: 0 }]);
  });

  it("seals entries only after a delay and also seals those that were copied late", async () => {
    await using core = await aCore();
    const { seal, stream, evidence } = copyAndSeal(core);
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

  it("produces a valid seal even if a batch was copied twice", async () => {
    await using core = await aCore();
    const { seal, stream, evidence } = copyAndSeal(core);
    await work(core, 2);
    await stream();
    await core.clock.advance(60_000);
    await stream({ again: true });
    await core.clock.advance(120_000);

    await seal();

    expect((await verifyLedger(core.engine, { evidence })).fault).toBeUndefined();
  });

  it("verification tolerates an unsealed new entry for a limited time", async () => {
    await using core = await aCore();
    const { seal, stream, evidence } = copyAndSeal(core);
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

  it("verification finds an entry deleted after it was copied", async () => {
    await using core = await aCore();
    const { seal, stream, evidence } = copyAndSeal(core);
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

  it("leaves a single chain of seals if several runs seal at once", async () => {
    await using core = await aCore();
    const { seal, stream, evidence } = copyAndSeal(core);
    await work(core, 3);
    await stream();
    await core.clock.advance(120_000);

    await Promise.all([seal(), seal(), seal()]);

    const all = await Array.fromAsync(goodSeals(evidence));
    expect(all.map((found) => "statement" in found && found.statement.seal)).toEqual([1]);
  });
});

/** Creates the copy and seal handlers for a core's ledger. A test drives the stream by hand. */
function copyAndSeal(core: Core) {
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
    /** Copies the entries not copied yet, or only the newest one, or all entries again. */
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
