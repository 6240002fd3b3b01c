import { hash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { append } from "../../../bridge/ledger/chain.ts";
import { lineOf, openSeal, type Seal, sealedIn, sealLedger } from "../../../bridge/ledger/seal.ts";
import { firstSealSince, goodSeals } from "../../../bridge/ledger/sealed-entries.ts";
import type { LedgerEntry } from "../../../bridge/model/ledger-entry.ts";
import type { AppendedPort, SealsPort } from "../../../bridge/ports/seals.ts";
import { ManualClock } from "../../support/clock.ts";
import { aCore } from "../../support/core.ts";
import { aKeyPair, aSealing, type MemorySeals, type Sealing } from "../../support/seals.ts";

describe("ledger sealing", () => {
  it("lists each entry once in append order and chains each seal to the previous one", async () => {
    const { ledger, sealing, write } = aLedger();

    write(3);
    await sealing.seal();
    write(2);
    await sealing.seal();

    const [first, second] = sealsIn(sealing.seals) as [Seal, Seal];
    expect([first, second].flatMap((seal) => [...sealedIn(seal)])).toEqual(
      ledger.map(({ chain, seq, hash }) => ({ chain, seq, hash })),
    );
    expect(first.statement).toMatchObject({ seal: 1, entries: 3, prev: "0".repeat(64), to: "3" });
    expect(second.statement).toMatchObject({ seal: 2, entries: 2, prev: hash("sha256", first.signed), to: "5" });
    expect(await faultOf(sealing)).toBeUndefined();
  });

  it("creates no seal if nothing was appended", async () => {
    const { sealing, write } = aLedger();

    expect(await sealing.seal()).toEqual({ seals: 0, entries: 0 });
    write(1);
    expect(await sealing.seal()).toEqual({ seals: 1, entries: 1 });
    expect(await sealing.seal()).toEqual({ seals: 0, entries: 0 });
  });

  it("splits a burst into seals of about 10,000 entries each", async () => {
    const { sealing, write } = aLedger();
    write(75_000);

    expect(await sealing.seal()).toEqual({ seals: 8, entries: 75_000 });

    const lengths = sealsIn(sealing.seals).map(({ statement }) => statement.entries);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(10_500);
    expect(await faultOf(sealing)).toBeUndefined();
  });

  it("seals every entry once while the bridge is running", async () => {
    await using core = await aCore();
    const sealing = aSealing(core.engine.store.appended, core.clock);

    for (let i = 0; i < 40; i++) {
      await core.emit({ id: `${i}`, subject: `${i % 3}`, data: { new_rate: i } });
      await Promise.all([core.run(), sealing.seal()]);
    }
    await sealing.seal();

    const sealed = sealsIn(sealing.seals).flatMap((seal) => [...sealedIn(seal)].map(({ hash }) => hash));
    const written = (await core.entries()).map(({ hash }) => hash);
    expect(sealed.length).toBe(written.length);
    expect(new Set(sealed)).toEqual(new Set(written));
    expect(await faultOf(sealing)).toBeUndefined();
  });

  it.each(["before", "after"] as const)(
    "seals each entry exactly once if the process ends %s a seal is stored",
    async (when) => {
      const { ledger, sealing, write } = aLedger();
      write(3);
      await sealing.seal();
      write(50_000);
      let adds = 0;
      const crashing: SealsPort = {
        ...sealing.seals,
        async add(number, text) {
          if (++adds < 2) return sealing.seals.add(number, text);
          if (when === "after") await sealing.seals.add(number, text);
          throw new Error("the process ends here");
        },
      };

      await expect(sealLedger({ ...sealing, seals: crashing })).rejects.toThrow("ends here");
      await sealing.seal();

      const sealed = sealsIn(sealing.seals).flatMap((seal) => [...sealedIn(seal)].map(({ hash }) => hash));
      expect(sealed).toEqual(ledger.map(({ hash }) => hash));
      expect(await faultOf(sealing)).toBeUndefined();
    },
  );

  it("seals each entry exactly once if several processes seal at the same time", async () => {
    const { ledger, sealing, write } = aLedger();
    write(45_000);

    await Promise.all([sealing.seal(), sealing.seal(), sealing.seal()]);
    await sealing.seal();

    const sealed = sealsIn(sealing.seals).flatMap((seal) => [...sealedIn(seal)].map(({ hash }) => hash));
    expect(sealed).toEqual(ledger.map(({ hash }) => hash));
  });

  it("continues in order after the clock is set back", async () => {
    const { sealing, write, clock } = aLedger();
    write(1);
    await sealing.seal();
    clock.set(clock.now() - 3_600_000);
    write(1);
    await sealing.seal();

    expect(sealsIn(sealing.seals).map(({ statement }) => statement.seal)).toEqual([1, 2]);
    expect(await faultOf(sealing)).toBeUndefined();
  });

  it("stops if the newest seal is invalid or missing", async () => {
    const { sealing, write } = aLedger();
    write(1);
    await sealing.seal();
    write(1);
    await sealing.seal();
    const second = sealing.seals.texts.get(2) as string;

    sealing.seals.texts.delete(2);
    await expect(sealing.seal()).rejects.toThrow("seal 2 was created but is missing");
    sealing.seals.texts.set(2, "{}");
    await expect(sealing.seal()).rejects.toThrow("seal 2 is invalid");
    sealing.seals.texts.set(2, second);
    await expect(sealing.seal()).resolves.toEqual({ seals: 0, entries: 0 });
  });

  it("writes no line for an entry whose text could pass for two lines", () => {
    const good = { chain: "pkt-a", seq: 1, hash: "a".repeat(64) };

    expect(lineOf(good)).toBe(`pkt-a 1 ${"a".repeat(64)}\n`);
    expect(lineOf({ ...good, chain: `pkt-a 1 ${"b".repeat(64)}\npkt-c` })).toBeUndefined();
    expect(lineOf({ ...good, hash: "" })).toBeUndefined();
    expect(lineOf({ ...good, seq: 1.5 })).toBeUndefined();
  });
});

describe("seal verification", () => {
  it("reveals any changed byte of any seal", async () => {
    const { sealing } = await threeSeals();
    const missed: string[] = [];

    for (const [number, text] of sealing.seals.texts) {
      for (let at = 0; at < text.length; at++) {
        sealing.seals.texts.set(
          number,
          text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1),
        );
        const fault = await faultOf(sealing);
        if (fault?.seal !== number) missed.push(`${number} at ${at}: ${JSON.stringify(fault)}`);
      }
      sealing.seals.texts.set(number, text);
    }

    expect(missed).toEqual([]);
  });

  it.each([1, 2, 3])("reveals that seal %i was removed", async (number) => {
    const { sealing } = await threeSeals();

    sealing.seals.texts.delete(number);

    expect(await faultOf(sealing)).toEqual({
      seal: number,
      message: number === 3 ? "was created but is missing" : "is missing",
    });
  });

  it("reveals that all seals were removed", async () => {
    const { sealing } = await threeSeals();

    sealing.seals.texts.clear();

    expect(await faultOf(sealing)).toEqual({ seal: 1, message: "was created but is missing" });
  });

  it("reveals two swapped seals", async () => {
    const { sealing } = await threeSeals();
    const { texts } = sealing.seals;
    const [one, two] = [texts.get(1) as string, texts.get(2) as string];

    texts.set(1, two).set(2, one);

    expect(await faultOf(sealing)).toEqual({ seal: 1, message: "has the statement of seal 2" });
  });

  it("reveals that one seal or all seals were signed again with another key", async () => {
    const { sealing, appended, clock } = await threeSeals();
    const forger = aSealing(appended, clock);
    await forger.seal();

    sealing.seals.texts.set(1, forger.seals.texts.get(1) as string);

    expect(await faultOf(sealing)).toEqual({ seal: 1, message: "is signed with another key" });
  });

  it("reveals a statement that names the right key but was signed with another", async () => {
    const { sealing, appended, clock } = await threeSeals();
    const { signer } = aKeyPair();
    const forger = { ...aSealing(appended, clock), signer: { key: sealing.signer.key, sign: signer.sign } };
    await sealLedger(forger);

    sealing.seals.texts.set(1, forger.seals.texts.get(1) as string);

    expect(await faultOf(sealing)).toEqual({ seal: 1, message: "has a signature that does not match its key" });
  });

  it("reveals that the newest seal was replaced even if the correct key signed it", async () => {
    const { sealing, write } = await threeSeals();
    sealing.seals.texts.delete(3);
    write(1);
    const { newest } = sealing.seals;
    sealing.seals.newest = undefined;
    await sealing.seal();
    sealing.seals.newest = newest;

    expect(await faultOf(sealing)).toEqual({ seal: 3, message: "is not the seal that was created" });
  });

  it("reveals that an earlier seal was replaced even if the correct key signed it", async () => {
    const { sealing, ledger } = await threeSeals();
    const { texts } = sealing.seals;
    const [second, third] = [texts.get(2) as string, texts.get(3) as string];
    texts.delete(2);
    texts.delete(3);
    sealing.seals.newest = undefined;
    ledger.splice(2, 1);
    await sealing.seal();
    expect(texts.get(2)).not.toBe(second);
    texts.set(3, third);

    expect(await faultOf(sealing)).toEqual({ seal: 3, message: "does not follow from the seal before it" });
  });

  it("reports that seals cannot be checked without their key", async () => {
    const { sealing } = await threeSeals();

    const [fault] = await Array.fromAsync(goodSeals({ ...sealing.evidence, publicKey: undefined }));

    expect(fault).toEqual({ seal: 1, message: "cannot be checked: its public key is missing" });
  });

  it("finds seals by time and verifies from any seal onwards", async () => {
    const { sealing, clock } = await threeSeals();
    const now = clock.now();

    expect(await firstSealSince(sealing.seals, 0)).toBe(1);
    expect(await firstSealSince(sealing.seals, now - 1_500)).toBe(2);
    expect(await firstSealSince(sealing.seals, now)).toBe(3);
    expect(await firstSealSince(sealing.seals, now + 1)).toBe(4);

    const found = await Array.fromAsync(goodSeals(sealing.evidence, 2));
    expect(found.map((seal) => "statement" in seal && seal.statement.seal)).toEqual([2, 3]);
    sealing.seals.texts.delete(1);
    expect(await Array.fromAsync(goodSeals(sealing.evidence, 2))).toEqual([{ seal: 1, message: "is missing" }]);
  });
});

/** A ledger of chains of one, and what seals it. */
function aLedger() {
  const ledger: LedgerEntry[] = [];
  const clock = new ManualClock();
  const appended: AppendedPort = {
    settlingMs: 0,
    async read(after, limit) {
      const entries = ledger.slice(Number(after), Number(after) + limit);
      return { entries, to: entries.length > 0 ? String(Number(after) + entries.length) : after };
    },
  };
  const write = (count: number) => {
    for (let i = 0; i < count; i++) {
      ledger.push(append(`pkt-${ledger.length}`, undefined, { at: clock.now(), step: "QUEUED", facts: {} }));
    }
  };
  return { ledger, clock, appended, write, sealing: aSealing(appended, clock) };
}

async function threeSeals() {
  const made = aLedger();
  for (let i = 0; i < 3; i++) {
    made.write(2);
    await made.clock.advance(1_000);
    await made.sealing.seal();
  }
  return made;
}

function sealsIn({ texts }: MemorySeals): Seal[] {
  return [...texts.values()].map((text) => openSeal(text) as Seal);
}

async function faultOf({ evidence }: Sealing) {
  const all = await Array.fromAsync(goodSeals(evidence));
  const last = all.at(-1);
  return last && "message" in last ? last : undefined;
}
