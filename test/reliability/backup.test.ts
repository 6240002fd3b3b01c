import { execFile } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { Bridge, Event } from "../../index.ts";
import { takeLock } from "../../platform/local/lock.ts";
import { until } from "../support/clock.ts";
import { fakeTarget } from "../support/core.ts";
import { type Home, home } from "../support/home.ts";

const sheet = { file: "t.yaml", text: "source_event: t\ntargets: { fake: { connector: Fake, map: { rate: rate } } }" };

/** Numbers of packets that were delivered under load when the backup began. */
const moments = [1, 100];

describe("a store restored from a backup taken under load", { tags: "row-42" }, () => {
  test.each(moments)(
    "refuses with words to seal beside newer seals, if %i packets had been delivered",
    async (moment) => {
      using office = await backedUpOffice({ moment, isSealed: true });

      const { lines, seals, fault } = await office.run(5);

      expect(failureIn(lines)).toMatch(/^seal \d+ lists entries that this store does not have.* another folder/);
      expect(seals).toEqual(office.sealsBefore);
      expect(fault?.message).toMatch(/is gone: seal|lists another hash|it was inserted/);
    },
  );

  test("refuses with words to seal beside newer seals, if it was taken before the first seal", async () => {
    using office = await backedUpOffice({ moment: 20, isSealed: false });

    const { lines, seals } = await office.run(5);

    expect(failureIn(lines)).toMatch(/lists entries that this store does not have/);
    expect(seals).toEqual(office.sealsBefore);
  });

  test("refuses to seal beside newer seals even after it has grown past them", async () => {
    using office = await backedUpOffice({ moment: 20, isSealed: true });
    // No seal is created meanwhile, because the folder lacks the seals that the store remembers.
    await office.run(2_000, { seals: "empty" });

    const { lines, seals, fault } = await office.run(5);

    expect(failureIn(lines)).toMatch(/lists entries that this store does not have/);
    expect(seals).toEqual(office.sealsBefore);
    expect(fault).toBeDefined();
  });

  test.each(moments)("refuses with words to seal beside no seals, if %i packets had been delivered", async (moment) => {
    using office = await backedUpOffice({ moment, isSealed: true });

    const { lines, seals, fault } = await office.run(5, { seals: "empty" });

    expect(failureIn(lines)).toMatch(/^seal \d+ was created but is missing/);
    expect(seals).toEqual([]);
    expect(fault?.message).toMatch(/was created but is missing/);
  });

  test("continues to seal and verifies beside no seals, if it was taken before the first seal", async () => {
    using office = await backedUpOffice({ moment: 20, isSealed: false });

    const { lines, fault, unsealed, open } = await office.run(5, { seals: "empty" });

    expect(failureIn(lines)).toBeUndefined();
    expect({ fault, unsealed, open }).toEqual({ fault: undefined, unsealed: 0, open: 0 });
  });

  test.each(moments)(
    "continues to seal and verifies beside the seals it knows, if %i packets had been delivered",
    async (moment) => {
      using office = await backedUpOffice({ moment, isSealed: true });
      office.copyKnownSeals("known");

      const { lines, fault, unsealed, open } = await office.run(5, { seals: "known" });

      expect(failureIn(lines)).toBeUndefined();
      expect({ fault, unsealed, open }).toEqual({ fault: undefined, unsealed: 0, open: 0 });
    },
  );
});

interface Line {
  readonly step: string;
  readonly reason?: unknown;
}

/** Returns the reason for which the last attempt to seal failed. */
function failureIn(lines: readonly Line[]): unknown {
  return lines.findLast(({ step }) => step === "seal-failed")?.reason;
}

interface RunOptions {
  /** Name of the seals' folder. */
  readonly seals?: string;
  /** Work that begins at a number of deliveries. Events are emitted until it has ended. */
  readonly during?: { readonly moment: number; readonly work: () => Promise<void>; readonly isSealed: boolean };
}

/** A store and its seals on disk, and a backup of the store. */
class Office implements Disposable {
  readonly #home: Home = home();
  /** Names of the seals that existed when the store was lost. */
  sealsBefore: readonly string[] = [];
  #store = "store";
  #events = 0;

  /** Runs the bridge until it has delivered some events, and verifies the ledger. The bridge seals when it stops. */
  async run(count: number, { seals = "seals", during }: RunOptions = {}) {
    const lines: Line[] = [];
    const target = fakeTarget();
    const options = {
      dir: this.#path(this.#store),
      seals: this.#path(seals),
      mappings: [sheet],
      register: [target.connector],
      // The backup has leases of packets that were being sent. They have to expire; 2 s instead of 35 keeps the test short.
      times: { sendMs: 1_000, leaseMs: 2_000, backoffMs: [100, 200], tickMs: 200 },
    };
    mkdirSync(options.dir, { recursive: true, mode: 0o700 });
    // The bridge also seals when it starts and when it stops. While another process holds the lock, it does not.
    const lock = during?.isSealed === false ? takeLock(join(options.dir, "seal.lock")) : undefined;
    const bridge = new Bridge({ ...options, log: (line) => lines.push(line) });
    await bridge.open();
    const { sealing } = await bridge.engine();
    const emit = () => bridge.emit(Event({ type: "t", subject: `r-${this.#events++}`, data: { rate: this.#events } }));
    if (during) {
      let isRunning = true;
      const work = until(() => target.calls.length >= during.moment)
        .then(during.work)
        .finally(() => {
          isRunning = false;
        });
      while (isRunning) {
        const delivered = target.calls.length;
        await Promise.all(Array.from({ length: 20 }, emit));
        if (during.isSealed) await sealing?.seal();
        // Keeps the backlog small, so that the load does not delay its own end.
        await until(() => target.calls.length >= delivered + 15);
      }
      await work;
    }
    await Promise.all(Array.from({ length: count }, emit));
    await bridge.settled(60_000);
    await bridge.close();
    lock?.release();
    const reader = new Bridge({ ...options, work: false });
    const { fault, seals: coverage } = await reader.verify();
    const { QUEUED, RETRY, HELD } = (await reader.tally()).packets;
    await reader.close();
    return { lines, fault, unsealed: coverage?.unsealed, open: QUEUED + RETRY + HELD, seals: this.#sealsIn(seals) };
  }

  /** Copies the store while the bridge uses it. In another process, because SQLite's locks are those of a process. */
  async backUp(): Promise<void> {
    mkdirSync(this.#path("backup"), { mode: 0o700 });
    const copy = `new (require("node:sqlite").DatabaseSync)(process.argv[1], { timeout: 60_000 }).exec("VACUUM INTO '" + process.argv[2] + "'")`;
    const files = ["store", "backup"].map((folder) => join(this.#path(folder), "bridge.db"));
    await promisify(execFile)(process.execPath, ["--eval", copy, ...files]);
    this.#copy("key", "store", "backup");
  }

  /** Loses the store and goes on with the backup. */
  restore(): void {
    // Created with the first seal, which the backup may lack.
    this.#copy("seal-key", "store", "backup");
    this.#store = "backup";
    this.sealsBefore = this.#sealsIn("seals");
  }

  /** Copies the public key and the seals that the backup remembers to another folder. */
  copyKnownSeals(folder: string): void {
    const db = new DatabaseSync(join(this.#path("backup"), "bridge.db"), { readOnly: true });
    const row = db.prepare("SELECT value FROM documents WHERE kind = 'seal'").get();
    db.close();
    const { number } = JSON.parse(row?.value as string) as { number: number };
    mkdirSync(this.#path(folder));
    for (const file of ["seal-key.pem", ...this.sealsBefore.slice(0, number)]) this.#copy(file, "seals", folder);
  }

  #copy(file: string, from: string, to: string): void {
    copyFileSync(join(this.#path(from), file), join(this.#path(to), file));
  }

  #sealsIn(folder: string): readonly string[] {
    if (!existsSync(this.#path(folder))) return [];
    return readdirSync(this.#path(folder))
      .filter((name) => name.endsWith(".seal"))
      .sort();
  }

  #path(name: string): string {
    return join(this.#home.path, name);
  }

  [Symbol.dispose](): void {
    this.#home[Symbol.dispose]();
  }
}

/**
 * Creates a store, backs it up under load, continues to work and to seal, and then restores the backup.
 *
 * @param options `moment`: number of deliveries before the backup; `isSealed`: true to seal before and during the backup
 */
async function backedUpOffice({ moment, isSealed }: { moment: number; isSealed: boolean }): Promise<Office> {
  const office = new Office();
  if (isSealed) await office.run(3);
  await office.run(20, { during: { moment, isSealed, work: () => office.backUp() } });
  await office.run(3);
  office.restore();
  return office;
}
