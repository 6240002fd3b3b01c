import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type BackfillPreview, previewBackfill, targetsOf } from "../bridge/jobs/backfill.ts";
import { startJob } from "../bridge/jobs/job-runner.ts";
import { packetsOf, previewReplay, type ReplayPreview } from "../bridge/jobs/replay.ts";
import type { Evidence } from "../bridge/ledger/sealed-entries.ts";
import { type Verification, type VerifyOptions, verifyLedger } from "../bridge/ledger/verify.ts";
import type { SheetFile } from "../bridge/mapping/sheet-file.ts";
import { sheetSet } from "../bridge/mapping/sheet-set.ts";
import { Catalog, type Connector } from "../bridge/model/connector.ts";
import { checkEvent, eventKey, maxEventBytes, type SourceEvent } from "../bridge/model/event.ts";
import type { BackfillRequest, Job, JobWork, ReplayRequest } from "../bridge/model/job.ts";
import { isClosed, type Status } from "../bridge/model/ledger-entry.ts";
import type { PacketRecord } from "../bridge/model/packet-record.ts";
import type { LogLine } from "../bridge/observability/log.ts";
import type { Tally } from "../bridge/ports/store.ts";
import { enqueueEvents } from "../bridge/recording/enqueue.ts";
import { InvalidRequestError } from "../bridge/values/bridge-error.ts";
import { type PageStart, pagesOf } from "../bridge/values/pagination.ts";
import { createHttp, hostsIn } from "../connectors/protocols/http/client.ts";
import { listConnectorFiles } from "../connectors/protocols/load-connectors.ts";
import { type LocalEngine, openLocalEngine } from "../platform/local/engine.ts";
import { checkSettings, readSettings, type SettingsInput } from "../platform/local/settings.ts";
import { readSet, SheetsError, type SheetsUpdate, SheetWatcher } from "../platform/local/sheet-watcher.ts";
import { startWorkerLoops, type WorkerLoops } from "../platform/local/worker-loops.ts";
import { type PacketView, viewOf } from "./packet-view.ts";

export interface BridgeOptions {
  /** The store's folder. Default: `.bridge`. `:memory:` keeps the store in this process only. */
  readonly dir?: string;
  /**
   * A folder of mapping sheets, with `governance.yaml` next to it, or the texts of the sheets, with `governance.yaml` in
   * the working directory. Default: `mappings`.
   */
  readonly mappings?: string | readonly SheetFile[];
  /** Configuration by connector name or id, merged over `connectors` in `bridge.yaml`. */
  readonly connectors?: SettingsInput["connectors"];
  /** Your own connectors, in addition to those included with the bridge. */
  // biome-ignore lint/suspicious/noExplicitAny: each connector's schemas validate its own config and secret
  readonly register?: readonly Connector<any, any>[];
  /** Folders the bridge may read rosters and snapshots from. Default: `places` in `bridge.yaml`. */
  readonly places?: SettingsInput["places"];
  /** The folder of the ledger's seals. Default: `seals` in `bridge.yaml`, or the store's folder with `-seals` appended. */
  readonly seals?: string;
  /** Timings such as back-off and probe interval, merged over `times` in `bridge.yaml`. */
  readonly times?: SettingsInput["times"];
  readonly log?: (line: LogLine) => void;
  /** Called when sheets are loaded or refused. */
  readonly onSheets?: (news: SheetsUpdate) => void;
  /** `false`: only emit and read, and leave mapping and delivery to another process. Default: `true`, unless one does. */
  readonly work?: boolean;
  /** `true`: load the sheets even if `work` is `false`. Default: the value of `work`. */
  readonly sheets?: boolean;
}

export interface JobOptions {
  /** The name of the person or program that starts the job, for the ledger. */
  readonly actor?: string | undefined;
  /** Maximum number of packets per second. */
  readonly perSecond?: number | undefined;
  /** Called with the job's progress. */
  readonly onJob?: ((job: Job) => void) | undefined;
}

export type ReplayOptions = Pick<ReplayRequest, "connector" | "sheet" | "force">;

/**
 * Recorded events by acceptance time, with `until` exclusive, or an NDJSON file of events. Events of a file that have no
 * time get the time `asOf`.
 */
export type BackfillSource =
  | { readonly since: Date | number; readonly until?: Date | number }
  | {
      /** A path or a URL in a folder listed under `places`. */
      readonly file: string;
      readonly asOf?: Date;
    };

export interface BackfillTargets {
  /** Targets, each as `sheet.target`. */
  readonly targets?: readonly string[];
  /** A connector id. Adds every target that uses the connector. */
  readonly connector?: string;
}

/** Folder of the mapping sheets, relative to the working directory. */
const defaultMappings = "mappings";

/** Folder of the connectors included with the bridge. */
const bundledConnectors = join(import.meta.dirname, "..", "connectors");

export type VerifyRequest = Omit<VerifyOptions, "evidence"> & Partial<Pick<Evidence, "publicKey" | "kept">>;

interface OpenBridge {
  readonly engine: LocalEngine;
  readonly runner: WorkerLoops | undefined;
}

let latest: Bridge | undefined;

/** A bridge with default options, for callers that neither pass a bridge nor have created one. */
let shared: { readonly bridge: Bridge; users: number } | undefined;
let sharedClosing: Promise<void> | undefined;

export interface Borrowed extends AsyncDisposable {
  readonly bridge: Bridge;
}

/**
 * Returns the bridge that `Stream` and `Connector` use: the given one, else the one created most recently, else a shared
 * one with default options. The shared bridge is closed when its last user disposes of it, so that a program can exit.
 */
export async function borrowBridge(given?: Bridge): Promise<Borrowed> {
  await sharedClosing;
  const bridge = given ?? (latest === shared?.bridge ? undefined : latest);
  if (bridge) return { bridge, async [Symbol.asyncDispose]() {} };
  shared ??= { bridge: new Bridge({ mappings: existsSync(defaultMappings) ? defaultMappings : [] }), users: 0 };
  const borrowed = shared;
  borrowed.users++;
  return {
    bridge: borrowed.bridge,
    async [Symbol.asyncDispose]() {
      if (--borrowed.users > 0) return;
      shared = undefined;
      sharedClosing = borrowed.bridge.close();
      await sharedClosing;
    },
  };
}

/**
 * A bridge that runs entirely in this process and keeps its store in one folder, without a server.
 *
 * It opens on the first call. Close it with `close()` or declare it with `await using`.
 */
export class Bridge implements AsyncDisposable {
  readonly #options: BridgeOptions;
  #opening: Promise<OpenBridge> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: BridgeOptions = {}) {
    this.#options = options;
    latest = this;
  }

  /** Opens the store and starts mapping and delivering. Every other method calls it; call it yourself to fail early. */
  open(): Promise<OpenBridge> {
    this.#opening ??= openBridge(this.#options);
    return this.#opening;
  }

  async engine(): Promise<LocalEngine> {
    return (await this.open()).engine;
  }

  /**
   * Publishes a change. Resolves when the event is durably stored.
   *
   * @returns the event's key, `evt-…`
   * @throws {TypeError} if the event is malformed
   * @throws {RangeError} if the event is larger than 1 MiB
   */
  async emit(event: SourceEvent): Promise<string> {
    const parsed = checkEvent(event);
    if (parsed.kind === "malformed") throw new TypeError(`not an event: ${parsed.reason}`);
    const { queue } = await this.engine();
    if (Buffer.byteLength(JSON.stringify(event)) > maxEventBytes) {
      throw new RangeError(`the event is larger than ${maxEventBytes} bytes; publish a reference to the data instead`);
    }
    await enqueueEvents(queue, [event]);
    return eventKey(event);
  }

  /** Lists packets that were sent, are waiting or are held, oldest first by default. */
  async outbox(
    query: {
      connector?: string;
      statuses?: readonly Status[];
      from?: Date;
      to?: Date;
      /** Only packets of this record. */
      entity?: string;
      /** Only packets with this text in their id, names or reason. */
      text?: string;
      limit?: number;
      newestFirst?: boolean;
    } = {},
  ): Promise<PacketView[]> {
    const engine = await this.engine();
    const { from, to, limit = 1_000, ...rest } = query;
    const filter = { ...rest, from: from?.getTime(), to: to?.getTime() };
    const found: PacketRecord[] = [];
    const read = (from: PageStart) => engine.store.packets({ ...filter, limit: limit - found.length, ...from });
    for await (const { items } of pagesOf(read)) {
      found.push(...items);
      if (found.length >= limit) break;
    }
    return found.map((record) => viewOf(record, engine.clock.now()));
  }

  async packet(id: string): Promise<PacketView | undefined> {
    const engine = await this.engine();
    const [stored] = await engine.store.read("packet", [id]);
    return stored && viewOf(stored.value, engine.clock.now());
  }

  /**
   * Sends the packets recorded in a time window again. This is a job of the process that works on the store, which
   * continues it if this process ends. Packets whose values the target already holds end `UNCHANGED`.
   *
   * @param end exclusive
   * @param options.onJob called with the job's progress
   * @returns the new packets, which may not be delivered yet
   */
  async replay(
    start: Date | number,
    end: Date | number,
    options: ReplayOptions & JobOptions = {},
  ): Promise<PacketView[]> {
    const engine = await this.engine();
    const { actor, perSecond, onJob, ...rest } = options;
    const request = { ...windowOf(start, end), ...rest };
    const job = await this.#runJob({ kind: "replay", request }, { actor, perSecond, onJob });
    const packets: PacketView[] = [];
    for await (const record of packetsOf(engine, job)) packets.push(viewOf(record, engine.clock.now()));
    return packets;
  }

  /** Previews a replay without sending anything. */
  async tryReplay(
    start: Date | number,
    end: Date | number,
    options: ReplayOptions & { onPage?: (looked: number) => void } = {},
  ): Promise<ReplayPreview> {
    const { onPage, ...rest } = options;
    return previewReplay(await this.engine(), { ...windowOf(start, end), ...rest }, onPage);
  }

  /**
   * Sends old data through the current sheets to chosen targets, as a job like a replay. Existing packets are not created
   * again, and newer values at a target are kept.
   *
   * @returns the completed job
   */
  async backfill(from: BackfillSource, options: BackfillTargets & JobOptions): Promise<Job> {
    return this.#runJob({ kind: "backfill", request: await this.#backfillRequest(from, options) }, options);
  }

  /** Previews a backfill without creating packets. */
  async tryBackfill(
    from: BackfillSource,
    options: BackfillTargets & { onPage?: (looked: number) => void },
  ): Promise<BackfillPreview> {
    return previewBackfill(await this.engine(), await this.#backfillRequest(from, options), options.onPage);
  }

  async #backfillRequest(from: BackfillSource, options: BackfillTargets): Promise<BackfillRequest> {
    const engine = await this.engine();
    const targets = chosenTargets(engine, options);
    if ("file" in from) {
      const file = await engine.files.find(fileUrlOf(from.file));
      return { targets, from: { kind: "file", file, ...(from.asOf && { asOf: from.asOf.toISOString() }) } };
    }
    const { from: since, to: until } = windowOf(from.since, from.until ?? engine.clock.now() + 1);
    return { targets, from: { kind: "events", since, until } };
  }

  /** Counts a job's packets by current status. */
  async statusesOf(job: Job): Promise<Partial<Record<Status, number>>> {
    const counts: Partial<Record<Status, number>> = {};
    for await (const { progress } of packetsOf(await this.engine(), job)) {
      counts[progress.status] = (counts[progress.status] ?? 0) + 1;
    }
    return counts;
  }

  /**
   * Runs a job to its end.
   *
   * @throws if the job fails or is canceled
   */
  async #runJob(work: JobWork, { actor = process.env.USER ?? "library", perSecond, onJob = () => {} }: JobOptions) {
    const engine = await this.engine();
    const { id } = await startJob(engine, { ...work, actor, ...(perSecond !== undefined && { perSecond }) });
    const job = await this.#waitForJob(id, onJob);
    if (job.status !== "DONE") throw new Error(`the ${job.kind} ${id} is ${job.status}: ${job.reason}`);
    return job;
  }

  async #waitForJob(id: string, onJob: (job: Job) => void): Promise<Job> {
    const { store, clock } = await this.engine();
    for (;;) {
      const job = (await store.read("job", [id]))[0]?.value;
      if (!job) throw new Error(`the job ${id} is gone from the store`);
      onJob(job);
      if (job.status !== "RUNNING") return job;
      await clock.sleep(20);
    }
  }

  /**
   * Waits until the inbox and all lanes are empty, so that each packet is closed, held or in its outbox.
   *
   * @returns `false` if that took longer than the timeout
   */
  async settled(timeoutMs = 30_000): Promise<boolean> {
    const { queue, clock } = await this.engine();
    const until = clock.now() + timeoutMs;
    while (!queue.isQuiet()) {
      if (clock.now() >= until) return false;
      await clock.sleep(2);
    }
    return true;
  }

  /** Waits until a packet is closed or held. */
  async finished(id: string): Promise<PacketView> {
    const { clock } = await this.engine();
    for (;;) {
      const packet = await this.packet(id);
      if (packet && (isClosed(packet.status) || packet.status === "HELD")) return packet;
      await clock.sleep(2);
    }
  }

  /** Counts events and packets by status. */
  async tally(): Promise<Tally> {
    return (await this.engine()).store.tally();
  }

  /**
   * Verifies the ledger: its hash chains, its match with the records, and its match with the seals.
   *
   * @param options `publicKey` and `kept`: copies of the seals' public key and of seals that were kept elsewhere
   */
  async verify({ publicKey, kept, ...options }: VerifyRequest = {}): Promise<Verification> {
    const engine = await this.engine();
    const found = engine.sealing?.evidence();
    const evidence = found && { ...found, ...(publicKey && { publicKey }), ...(kept && { kept }) };
    return verifyLedger(engine, { ...options, ...(evidence && { evidence }) });
  }

  /** Stops after the current sends are done, and closes the store. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (latest === this) latest = undefined;
    // If opening failed, the store is already closed and the caller of `open` has the error.
    const open = await this.#opening?.catch(() => undefined);
    if (!open) return;
    const { engine, runner } = open;
    await runner?.stop();
    await engine.queue.end();
    await engine.db.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function windowOf(from: Date | number, to: Date | number): { from: number; to: number } {
  const window = { from: Number(from), to: Number(to) };
  if (Number.isNaN(window.from + window.to))
    throw new RangeError("a time window needs Dates or numbers of milliseconds since the epoch");
  return window;
}

/** Converts a path to a `file:` URL. URLs stay as they are. */
function fileUrlOf(file: string): string {
  return /^[a-z][a-z0-9]+:/.test(file) ? file : pathToFileURL(file).href;
}

function readIfThere(file: string): SheetFile | undefined {
  return existsSync(file) ? { file, text: readFileSync(file, "utf8") } : undefined;
}

/** Loads the connectors included with the bridge, plus the given ones. */
export async function loadCatalog(more: BridgeOptions["register"] = []): Promise<Catalog> {
  return new Catalog([...(await listConnectorFiles(bundledConnectors)).map(({ connector }) => connector), ...more]);
}

function settingsFor(options: BridgeOptions, dir: string) {
  const fromFile = readSettings("bridge.yaml");
  return checkSettings(
    {
      ...fromFile,
      connectors: { ...fromFile.connectors, ...options.connectors },
      places: options.places ?? fromFile.places,
      times: { ...fromFile.times, ...options.times },
      seals: options.seals ?? fromFile.seals ?? `${dir}-seals`,
    },
    "the options",
  );
}

/** @throws {RangeError} if a target or connector is unknown, or none is chosen */
function chosenTargets(engine: LocalEngine, options: BackfillTargets): string[] {
  try {
    return targetsOf(engine, options);
  } catch (error) {
    if (error instanceof InvalidRequestError) throw new RangeError(error.message, { cause: error });
    throw error;
  }
}

/** @throws {TypeError} if `bridge.yaml` configures a connector that does not exist */
function checkConnectorNames(names: readonly string[], catalog: Catalog): void {
  for (const name of names) {
    const isKnown = catalog.ids.some((id) => id === name || id.split("@")[0] === name);
    if (isKnown) continue;
    throw new TypeError(`bridge.yaml: no connector is called ${name}; use one of ${catalog.ids.join(", ")}`);
  }
}

async function openBridge(options: BridgeOptions): Promise<OpenBridge> {
  const { dir = ".bridge", mappings = defaultMappings, register = [], log, onSheets = () => {}, work = true } = options;
  const { sheets: needsSheets = work } = options;
  const settings = settingsFor(options, dir);
  const catalog = await loadCatalog(register);
  checkConnectorNames(Object.keys(settings.connectors), catalog);
  if (typeof mappings === "string" && needsSheets && !existsSync(mappings)) {
    throw new TypeError(`there is no folder ${mappings} with mapping sheets here; create it or choose another`);
  }
  const fromTexts =
    typeof mappings === "string"
      ? undefined
      : await readSet({ sheets: mappings, governance: readIfThere("governance.yaml") }, catalog);
  if (fromTexts && !fromTexts.ok) throw new SheetsError(fromTexts.faults);
  let folder: SheetWatcher | undefined;
  const noSheets = sheetSet([], { otherwise: "block", rules: [] });
  // undici takes longer to load than Node's own HTTP client, which is enough for the few requests of a command.
  const transport = work
    ? (await import("../connectors/protocols/http/undici-transport.ts")).undiciTransport
    : undefined;
  const engine = await openLocalEngine({
    dir,
    catalog,
    settings,
    sheets: () => folder?.current ?? fromTexts?.set ?? noSheets,
    http: (config) => createHttp({ allowedHosts: hostsIn(config), ...(transport && { transport }) }),
    ...(log && { log }),
  });
  try {
    if (typeof mappings === "string" && needsSheets) {
      const lastGoodFile = engine.dir === undefined || !work ? undefined : join(engine.dir, "last-good-sheets.json");
      folder = await SheetWatcher.open({
        folder: mappings,
        catalog,
        onUpdate: onSheets,
        ...(lastGoodFile && { lastGoodFile }),
      });
    }
    return { engine, runner: work ? startWorkerLoops(engine, folder) : undefined };
  } catch (error) {
    await engine.db.close();
    throw error;
  }
}
