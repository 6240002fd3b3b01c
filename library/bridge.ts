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
import { type From, pagesOf } from "../bridge/values/pagination.ts";
import { createHttp, hostsIn } from "../connectors/protocols/http/client.ts";
import { listConnectorFiles } from "../connectors/protocols/load-connectors.ts";
import { type LocalEngine, openLocalEngine } from "../platform/local/engine.ts";
import { checkSettings, readSettings, type SettingsInput } from "../platform/local/settings.ts";
import { readSet, SheetsError, type SheetsUpdate, SheetWatcher } from "../platform/local/sheet-watcher.ts";
import { startWorkerLoops, type WorkerLoops } from "../platform/local/worker-loops.ts";
import { type PacketView, viewOf } from "./packet-view.ts";

export interface BridgeOptions {
  /** Where the store is kept. Default: `.bridge`. `:memory:` keeps it for this process only. */
  readonly dir?: string;
  /** A folder of mapping sheets, with `governance.yaml` beside it; or the sheets' texts, with it in the working folder. Default: `mappings`. */
  readonly mappings?: string | readonly SheetFile[];
  /** Connectors' configuration, as in `bridge.yaml`: name or id to settings. Default: what `bridge.yaml` says. */
  readonly connectors?: SettingsInput["connectors"];
  /** Connectors of your own, beside those that come with the bridge. */
  // biome-ignore lint/suspicious/noExplicitAny: each connector's schemas guard its own config and secret
  readonly register?: readonly Connector<any, any>[];
  /** Folders the bridge may read rosters and snapshots from, as in `bridge.yaml`. Default: what `bridge.yaml` says. */
  readonly places?: SettingsInput["places"];
  /** Where the ledger's seals are kept. Default: what `bridge.yaml` says, else the store's folder with `-seals` at its end. */
  readonly seals?: string;
  /** How long what waits waits. */
  readonly times?: SettingsInput["times"];
  readonly log?: (line: LogLine) => void;
  /** Told when sheets are taken up or refused. */
  readonly onSheets?: (news: SheetsUpdate) => void;
  /** `false`: only emit and look; leave the work to the process that has it. Default: work, unless another does. */
  readonly work?: boolean;
  /** Whether to read the sheets where no work is done. */
  readonly sheets?: boolean;
}

export interface JobOptions {
  /** Who asks, for the ledger. */
  readonly actor?: string | undefined;
  /** So many packets a second at most. */
  readonly perSecond?: number | undefined;
  /** Told how far it is. */
  readonly onJob?: ((job: Job) => void) | undefined;
}

export type ReplayOptions = Pick<ReplayRequest, "connector" | "sheet" | "force">;

/** Recorded events, by time of acceptance, until exclusive; or a file with an event a line, of which each has its time or that of the file. */
export type BackfillSource =
  | { readonly since: Date | number; readonly until?: Date | number }
  | {
      /** A path, or an address, in a place the bridge may read from. */
      readonly file: string;
      readonly asOf?: Date;
    };

export interface BackfillTargets {
  /** `sheet.target` */
  readonly targets?: readonly string[];
  /** All targets that go to this connector: its id. */
  readonly connector?: string;
}

/** The sheets of the working folder. */
const ownMappings = "mappings";

/** The connectors that come with the bridge. */
const ownConnectors = join(import.meta.dirname, "..", "connectors");

export type VerifyRequest = Omit<VerifyOptions, "evidence"> & Partial<Pick<Evidence, "publicKey" | "kept">>;

interface Open {
  readonly engine: LocalEngine;
  readonly runner: WorkerLoops | undefined;
}

let latest: Bridge | undefined;

/** A bridge with the defaults, for those who name none and made none. */
let common: { readonly bridge: Bridge; users: number } | undefined;
let commonClosing: Promise<void> | undefined;

export interface Borrowed extends AsyncDisposable {
  readonly bridge: Bridge;
}

/**
 * The bridge `Stream` and `Connector` work with: the one that is named, else the one made last, else one with the
 * defaults, which is closed when its last user gives it back, so that a program can end.
 */
export async function borrowBridge(named?: Bridge): Promise<Borrowed> {
  await commonClosing;
  const bridge = named ?? (latest === common?.bridge ? undefined : latest);
  if (bridge) return { bridge, async [Symbol.asyncDispose]() {} };
  common ??= { bridge: new Bridge({ mappings: existsSync(ownMappings) ? ownMappings : [] }), users: 0 };
  const borrowed = common;
  borrowed.users++;
  return {
    bridge: borrowed.bridge,
    async [Symbol.asyncDispose]() {
      if (--borrowed.users > 0) return;
      common = undefined;
      commonClosing = borrowed.bridge.close();
      await commonClosing;
    },
  };
}

/**
 * A bridge on this machine: the whole path in this process, its store in one folder, no server.
 *
 * It opens itself at the first call. Close it, or let `await using` do so.
 */
export class Bridge implements AsyncDisposable {
  readonly #options: BridgeOptions;
  #opening: Promise<Open> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: BridgeOptions = {}) {
    this.#options = options;
    latest = this;
  }

  /** Opens the store and starts to work. Called by everything else; call it to see a fault early. */
  open(): Promise<Open> {
    this.#opening ??= openBridge(this.#options);
    return this.#opening;
  }

  async engine(): Promise<LocalEngine> {
    return (await this.open()).engine;
  }

  /**
   * Publishes a change. Resolves when it is stored: from then on it is not lost.
   *
   * @returns the event's key, `evt-…`
   * @throws {TypeError} where it is no event, {RangeError} over 1 MiB
   */
  async emit(event: SourceEvent): Promise<string> {
    const arrival = checkEvent(event);
    if (arrival.kind === "malformed") throw new TypeError(`not an event: ${arrival.reason}`);
    const { queue } = await this.engine();
    if (Buffer.byteLength(JSON.stringify(event)) > maxEventBytes) {
      throw new RangeError(`the event is larger than ${maxEventBytes} bytes; publish a reference to the data instead`);
    }
    await enqueueEvents(queue, [event]);
    return eventKey(event);
  }

  /** The packets, oldest first if not said: what was sent, what waits, what is held. */
  async outbox(
    query: {
      connector?: string;
      statuses?: readonly Status[];
      from?: Date;
      to?: Date;
      /** Only of this record. */
      entity?: string;
      /** Only with this in their names or reason. */
      text?: string;
      limit?: number;
      newestFirst?: boolean;
    } = {},
  ): Promise<PacketView[]> {
    const engine = await this.engine();
    const { from, to, limit = 1_000, ...rest } = query;
    const filter = { ...rest, from: from?.getTime(), to: to?.getTime() };
    const found: PacketRecord[] = [];
    const read = (from: From) => engine.store.packets({ ...filter, limit: limit - found.length, ...from });
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
   * Sends the packets recorded in a time window again, as a job of the process that works on the store: it goes on
   * should this one end. What a target already holds ends `UNCHANGED`.
   *
   * @param end exclusive
   * @param options.onJob told how far it is
   * @returns the new packets, on their way
   */
  async replay(
    start: Date | number,
    end: Date | number,
    options: ReplayOptions & JobOptions = {},
  ): Promise<PacketView[]> {
    const engine = await this.engine();
    const { actor, perSecond, onJob, ...rest } = options;
    const request = { ...windowOf(start, end), ...rest };
    const job = await this.#done({ kind: "replay", request }, { actor, perSecond, onJob });
    const again: PacketView[] = [];
    for await (const record of packetsOf(engine, job)) again.push(viewOf(record, engine.clock.now()));
    return again;
  }

  /** Says what a replay would come to, and sends nothing. */
  async tryReplay(
    start: Date | number,
    end: Date | number,
    options: ReplayOptions & { onPage?: (looked: number) => void } = {},
  ): Promise<ReplayPreview> {
    const { onPage, ...rest } = options;
    return previewReplay(await this.engine(), { ...windowOf(start, end), ...rest }, onPage);
  }

  /**
   * Takes old data through today's sheets to chosen targets, as a job like a replay. What exists already is not made
   * again, and what is newer at a target stays.
   *
   * @returns the job, at its end
   */
  async backfill(from: BackfillSource, options: BackfillTargets & JobOptions): Promise<Job> {
    return this.#done({ kind: "backfill", request: await this.#backfillRequest(from, options) }, options);
  }

  /** Says what a back-fill would make, and makes nothing. */
  async tryBackfill(
    from: BackfillSource,
    options: BackfillTargets & { onPage?: (looked: number) => void },
  ): Promise<BackfillPreview> {
    return previewBackfill(await this.engine(), await this.#backfillRequest(from, options), options.onPage);
  }

  async #backfillRequest(from: BackfillSource, options: BackfillTargets): Promise<BackfillRequest> {
    const engine = await this.engine();
    const targets = targetsOf(engine, options);
    if ("file" in from) {
      const file = await engine.files.find(addressOf(from.file));
      return { targets, from: { kind: "file", file, ...(from.asOf && { asOf: from.asOf.toISOString() }) } };
    }
    const { from: since, to: until } = windowOf(from.since, from.until ?? engine.clock.now() + 1);
    return { targets, from: { kind: "events", since, until } };
  }

  /** How many of a job's packets are in which status now. */
  async statusesOf(job: Job): Promise<Partial<Record<Status, number>>> {
    const counts: Partial<Record<Status, number>> = {};
    for await (const { progress } of packetsOf(await this.engine(), job)) {
      counts[progress.status] = (counts[progress.status] ?? 0) + 1;
    }
    return counts;
  }

  /** A job, from its beginning to its end. @throws where it does not end well */
  async #done(work: JobWork, { actor = process.env.USER ?? "library", perSecond, onJob = () => {} }: JobOptions) {
    const engine = await this.engine();
    const { id } = await startJob(engine, { ...work, actor, ...(perSecond !== undefined && { perSecond }) });
    const job = await this.#jobOver(id, onJob);
    if (job.status !== "DONE") throw new Error(`the ${job.kind} ${id} is ${job.status}: ${job.reason}`);
    return job;
  }

  async #jobOver(id: string, onJob: (job: Job) => void): Promise<Job> {
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
   * Waits until no message is left in the inbox or a lane: each packet is closed, held, or in its outbox.
   *
   * @returns whether it came to that within the time, 30 s if not said
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

  async tally(): Promise<Tally> {
    return (await this.engine()).store.tally();
  }

  /**
   * Checks the ledger: by itself, against the records, and against the seals.
   *
   * @param options `publicKey` and `kept`: the seals' key and seals themselves, as somebody kept them elsewhere
   */
  async verify({ publicKey, kept, ...options }: VerifyRequest = {}): Promise<Verification> {
    const engine = await this.engine();
    const found = engine.sealing?.evidence();
    const evidence = found && { ...found, ...(publicKey && { publicKey }), ...(kept && { kept }) };
    return verifyLedger(engine, { ...options, ...(evidence && { evidence }) });
  }

  /** Ends the work, when what is being sent now is done, and closes the store. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (latest === this) latest = undefined;
    // What could not be opened has closed itself, and whoever asked for it was told why.
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
  if (Number.isNaN(window.from + window.to)) throw new RangeError("not a Date, and not ms since the epoch");
  return window;
}

/** What was given as a path is a file of this machine. */
function addressOf(file: string): string {
  return /^[a-z][a-z0-9]+:/.test(file) ? file : pathToFileURL(file).href;
}

function readIfThere(file: string): SheetFile | undefined {
  return existsSync(file) ? { file, text: readFileSync(file, "utf8") } : undefined;
}

/** The connectors that come with the bridge, and any others. */
export async function ownCatalog(more: BridgeOptions["register"] = []): Promise<Catalog> {
  return new Catalog([...(await listConnectorFiles(ownConnectors)).map(({ connector }) => connector), ...more]);
}

async function openBridge(options: BridgeOptions): Promise<Open> {
  const { dir = ".bridge", mappings = ownMappings, register = [], log, onSheets = () => {}, work = true } = options;
  const { sheets: wantsSheets = work } = options;
  const fromFile = readSettings("bridge.yaml");
  const settings = checkSettings(
    {
      ...fromFile,
      connectors: { ...fromFile.connectors, ...options.connectors },
      places: options.places ?? fromFile.places,
      times: { ...fromFile.times, ...options.times },
      seals: options.seals ?? fromFile.seals ?? `${dir}-seals`,
    },
    "the options",
  );
  const catalog = await ownCatalog(register);
  for (const name of Object.keys(settings.connectors)) {
    const known = catalog.ids.some((id) => id === name || id.split("@")[0] === name);
    if (!known) throw new TypeError(`bridge.yaml: no connector is called ${name}; there are ${catalog.ids.join(", ")}`);
  }
  if (typeof mappings === "string" && wantsSheets && !existsSync(mappings)) {
    throw new TypeError(`there is no folder ${mappings} with mapping sheets here; make one, or name another`);
  }
  const fromTexts =
    typeof mappings === "string"
      ? undefined
      : await readSet({ sheets: mappings, governance: readIfThere("governance.yaml") }, catalog);
  if (fromTexts && !fromTexts.ok) throw new SheetsError(fromTexts.faults);
  let folder: SheetWatcher | undefined;
  const noSheets = sheetSet([], { otherwise: "block", rules: [] });
  // It takes longer to load than Node's own client, which does for the few requests of a command.
  const wire = work ? (await import("../connectors/protocols/http/undici-transport.ts")).undiciTransport : undefined;
  const engine = await openLocalEngine({
    dir,
    catalog,
    settings,
    sheets: () => folder?.current ?? fromTexts?.set ?? noSheets,
    http: (config) => createHttp({ allowedHosts: hostsIn(config), ...(wire && { transport: wire }) }),
    ...(log && { log }),
  });
  try {
    if (typeof mappings === "string" && wantsSheets) {
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
