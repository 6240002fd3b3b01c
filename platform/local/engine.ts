import { createSecretKey, type KeyObject } from "node:crypto";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../../bridge/engine.ts";
import type { SheetSet } from "../../bridge/mapping/sheet-set.ts";
import type { Catalog, Http } from "../../bridge/model/connector.ts";
import type { TimestampedAlert } from "../../bridge/observability/alerts.ts";
import type { LogLine } from "../../bridge/observability/log.ts";
import type { Clock, Random } from "../../bridge/ports/clock.ts";
import { enqueueEvents } from "../../bridge/recording/enqueue.ts";
import { systemClock, systemRandom } from "../clock.ts";
import { createComplianceClient } from "../compliance-client.ts";
import { createHttpClientCache } from "../http-client-cache.ts";
import { Database } from "./database.ts";
import { LocalFiles } from "./files.ts";
import { LocalQueue } from "./queue.ts";
import { assertOutsideStore, Sealing } from "./seal-folder.ts";
import { bridgeKeyIn, LocalSecrets } from "./secrets.ts";
import { configOf, type Settings } from "./settings.ts";
import { LocalStore } from "./store.ts";
import { keepRecentAlerts, sendAlerts } from "./webhook-alerts.ts";

export interface LocalOptions {
  /** The store's folder, or `:memory:` for a store that exists only as long as the process. */
  readonly dir: string;
  readonly catalog: Catalog;
  readonly sheets: () => SheetSet;
  readonly settings: Settings;
  readonly http: (config: unknown) => Http;
  readonly log?: (line: LogLine) => void;
  readonly env?: NodeJS.ProcessEnv;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** Engine of the embedded bridge: one process, one SQLite file, no server. */
export interface LocalEngine extends Engine {
  readonly queue: LocalQueue;
  readonly store: LocalStore;
  readonly db: Database;
  /** `undefined` if the store is in memory. */
  readonly dir: string | undefined;
  /** `undefined` if the store is in memory or the settings name no folder for seals. */
  readonly sealing: Sealing | undefined;
  /** Latest alerts raised since the process began, oldest first. */
  readonly alerts: () => readonly TimestampedAlert[];
}

const inMemory = ":memory:";

export async function openLocalEngine(options: LocalOptions): Promise<LocalEngine> {
  const { catalog, settings, sheets, random = systemRandom, env = process.env, log = () => {} } = options;
  const dir = options.dir === inMemory ? undefined : options.dir;
  if (dir && settings.seals) assertOutsideStore(dir, settings.seals);
  if (dir) createPrivateStore(dir);
  const db = await Database.open(dir && join(dir, "bridge.db"));
  if (db.migration) log({ step: "store-upgraded", ...db.migration });
  const store = new LocalStore(db);
  const bridgeKey = dir ? await keyOf(dir, db) : createSecretKey(Buffer.alloc(32, random.id()));
  const clock = options.clock ?? systemClock(store.lastAccepted());
  const queue = new LocalQueue(db, clock);
  const secrets = new LocalSecrets(dir ? join(dir, "secrets.json") : inMemory, env);
  const http = createHttpClientCache(options.http);
  const webhook = settings.alerts?.webhook;
  const { governance } = settings;
  const recent = keepRecentAlerts(
    clock,
    webhook ? sendAlerts({ url: webhook, http: http("alerts", { webhook }), secrets, clock, random, log }) : log,
  );
  return {
    dir,
    db,
    sealing: dir && settings.seals ? new Sealing({ dir, folder: settings.seals, store, clock }) : undefined,
    clock,
    random,
    store,
    queue,
    publish: (events) => enqueueEvents(queue, events),
    secrets,
    files: new LocalFiles(settings.places),
    sheets,
    catalog,
    configOf: (connector) => configOf(settings, connector),
    http,
    bridgeKey,
    compliance:
      governance &&
      createComplianceClient({ settings: governance, http: http("governance", governance), secrets, bridgeKey, clock }),
    times: settings.times,
    log: recent.log,
    alerts: recent.alerts,
  };
}

/** Reads the store's key, and closes the database if that fails. */
async function keyOf(dir: string, db: Database): Promise<KeyObject> {
  try {
    return await bridgeKeyIn(join(dir, "key"), { hasRecords: () => db.hasRecords() });
  } catch (error) {
    await db.close();
    throw error;
  }
}

/**
 * Creates the store's folder and file, accessible only by their owner because the store holds payloads. SQLite gives its
 * other files the same mode.
 */
function createPrivateStore(dir: string): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  closeSync(openSync(join(dir, "bridge.db"), "a", 0o600));
}
