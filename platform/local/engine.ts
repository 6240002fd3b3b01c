import { createSecretKey } from "node:crypto";
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
import { keepApart, Sealing } from "./seal-folder.ts";
import { bridgeKeyIn, LocalSecrets } from "./secrets.ts";
import { configOf, type Settings } from "./settings.ts";
import { LocalStore } from "./store.ts";
import { keepRecentAlerts, sendAlerts } from "./webhook-alerts.ts";

export interface LocalOptions {
  /** The store's folder, or `:memory:` for one that ends with the process. */
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

/** The embedded engine: one process, one SQLite file, no server. */
export interface LocalEngine extends Engine {
  readonly queue: LocalQueue;
  readonly store: LocalStore;
  readonly db: Database;
  /** `undefined` in memory. */
  readonly dir: string | undefined;
  /** `undefined` in memory, and where the settings name no folder for seals. */
  readonly sealing: Sealing | undefined;
  /** What was told since the process began, oldest first. */
  readonly alerts: () => readonly TimestampedAlert[];
}

const inMemory = ":memory:";

export async function openLocalEngine(options: LocalOptions): Promise<LocalEngine> {
  const { catalog, settings, sheets, random = systemRandom, env = process.env, log = () => {} } = options;
  const dir = options.dir === inMemory ? undefined : options.dir;
  if (dir && settings.seals) keepApart(dir, settings.seals);
  if (dir) openPrivately(dir);
  const bridgeKey = dir ? bridgeKeyIn(join(dir, "key")) : createSecretKey(Buffer.alloc(32, random.id()));
  const db = await Database.open(dir && join(dir, "bridge.db"));
  const store = new LocalStore(db);
  const clock = options.clock ?? systemClock(store.lastAccepted());
  const queue = new LocalQueue(db, clock);
  const secrets = new LocalSecrets(dir ? join(dir, "secrets.json") : inMemory, env);
  const http = createHttpClientCache(options.http);
  const webhook = settings.alerts?.webhook;
  const { governance } = settings;
  const remembered = keepRecentAlerts(
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
    log: remembered.log,
    alerts: remembered.alerts,
  };
}

/** The store holds payloads: its folder and files are the owner's alone. SQLite gives its side files the same mode. */
function openPrivately(dir: string): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  closeSync(openSync(join(dir, "bridge.db"), "a", 0o600));
}
