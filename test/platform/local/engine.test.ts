import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { tailOf } from "../../../bridge/ledger/chain.ts";
import { sheetSet } from "../../../bridge/mapping/sheet-set.ts";
import { Catalog, type Http } from "../../../bridge/model/connector.ts";
import type { LedgerEntry } from "../../../bridge/model/ledger-entry.ts";
import { type LocalEngine, openLocalEngine } from "../../../platform/local/engine.ts";
import { FolderSeals } from "../../../platform/local/seal-folder.ts";
import { LocalSecrets } from "../../../platform/local/secrets.ts";
import { checkSettings } from "../../../platform/local/settings.ts";
import { appendedContract } from "../../contract/appended-contract.ts";
import { queueContract } from "../../contract/queue-contract.ts";
import { sealsContract } from "../../contract/seals-contract.ts";
import { secretsContract } from "../../contract/secrets-contract.ts";
import { storeContract } from "../../contract/store-contract.ts";
import { ManualClock, seededRandom } from "../../support/clock.ts";
import { home } from "../../support/home.ts";

function open(dir: string, clock: ManualClock): Promise<LocalEngine> {
  return openLocalEngine({
    dir,
    catalog: new Catalog([]),
    sheets: () => sheetSet([], { otherwise: "block", rules: [] }),
    settings: checkSettings({}, "the test"),
    http: () => ({}) as Http,
    env: {},
    clock,
    random: seededRandom(),
  });
}

async function inMemory() {
  const clock = new ManualClock();
  const engine = await open(":memory:", clock);
  return {
    engine,
    advance: (ms: number) => clock.advance(ms),
    async [Symbol.asyncDispose]() {
      await engine.queue.end();
      await engine.db.close();
    },
  };
}

async function onAFile() {
  const folder = home();
  const clock = new ManualClock();
  let engine = await open(folder.path, clock);
  const close = async () => {
    await engine.queue.end();
    await engine.db.close();
  };
  return {
    get engine() {
      return engine;
    },
    advance: (ms: number) => clock.advance(ms),
    async reopen() {
      await close();
      engine = await open(folder.path, clock);
    },
    async [Symbol.asyncDispose]() {
      await close();
      folder[Symbol.dispose]();
    },
  };
}

queueContract("the embedded engine in memory", async () => {
  const fixture = await inMemory();
  return { ...fixture, port: fixture.engine.queue };
});

queueContract("the embedded engine on a file", async () => {
  const fixture = await onAFile();
  return {
    get port() {
      return fixture.engine.queue;
    },
    advance: fixture.advance,
    reopen: fixture.reopen,
    [Symbol.asyncDispose]: fixture[Symbol.asyncDispose],
  };
});

storeContract("the embedded engine in memory", async () => {
  const fixture = await inMemory();
  return { ...fixture, port: fixture.engine.store };
});

storeContract("the embedded engine on a file", async () => {
  const fixture = await onAFile();
  return {
    get port() {
      return fixture.engine.store;
    },
    reopen: fixture.reopen,
    [Symbol.asyncDispose]: fixture[Symbol.asyncDispose],
  };
});

appendedContract("the embedded engine", async () => {
  const { engine, ...rest } = await onAFile();
  return {
    port: engine.store.appended,
    async append(entries) {
      for (const entry of entries) expect(await appendEvent(engine, entry)).toBe("written");
    },
    [Symbol.asyncDispose]: rest[Symbol.asyncDispose],
  };
});

/** Writes a ledger entry of an event together with its record, which is created or updated. */
function appendEvent({ store }: LocalEngine, entry: LedgerEntry) {
  const value = {
    status: "UNMATCHED",
    accepted: entry.seq,
    sheets: [],
    packets: 0,
    message: "m",
    duplicates: 0,
    step: entry.step,
    tail: tailOf(entry),
  } as const;
  return store.write([{ kind: "event", id: entry.chain, value, etag: entry.seq - 1 }], [entry]);
}

sealsContract("a folder", async () => {
  const folder = home();
  const { engine, ...rest } = await inMemory();
  return {
    port: new FolderSeals(folder.path, engine.store),
    remove: async (number) => rmSync(join(folder.path, `${String(number).padStart(9, "0")}.seal`)),
    async [Symbol.asyncDispose]() {
      await rest[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
});

secretsContract("a file", async () => {
  const folder = home();
  const file = join(folder.path, "secrets.json");
  const secrets: Record<string, unknown> = {};
  return {
    port: new LocalSecrets(file, {}),
    async store(connector, secret) {
      if (secret) secrets[connector] = secret;
      else delete secrets[connector];
      writeFileSync(file, JSON.stringify(secrets), { mode: 0o600 });
    },
    [Symbol.asyncDispose]: async () => folder[Symbol.dispose](),
  };
});

secretsContract("the environment", async () => {
  const env: NodeJS.ProcessEnv = {};
  return {
    port: new LocalSecrets("/nowhere/secrets.json", env),
    async store(connector, secret) {
      const name = `BRIDGE_SECRET_${connector.toUpperCase().replace(/[^A-Z0-9]/g, "_")}`;
      if (secret) env[name] = JSON.stringify(secret);
      else delete env[name];
    },
    [Symbol.asyncDispose]: async () => {},
  };
});
