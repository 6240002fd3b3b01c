import * as z from "zod";
import { type ConnectorWorker, deliver } from "../../bridge/delivery/deliver.ts";
import type { Engine } from "../../bridge/engine.ts";
import type { Policy } from "../../bridge/governance/policy.ts";
import { readPolicy } from "../../bridge/governance/policy-file.ts";
import { accept } from "../../bridge/intake/accept.ts";
import { runJobs } from "../../bridge/jobs/job-runner.ts";
import { runMaintenance } from "../../bridge/maintenance/run-maintenance.ts";
import { readSheets } from "../../bridge/mapping/sheet-file.ts";
import { type SheetSet, sheetSet } from "../../bridge/mapping/sheet-set.ts";
import { Catalog, type Connector, connectorId, type Http } from "../../bridge/model/connector.ts";
import { eventKey, parseEvent, type SourceEvent } from "../../bridge/model/event.ts";
import { isClosed, type LedgerEntry } from "../../bridge/model/ledger-entry.ts";
import { delivered, type Outcome } from "../../bridge/model/outcome.ts";
import type { Packet } from "../../bridge/model/packet.ts";
import type { PacketRecord } from "../../bridge/model/packet-record.ts";
import type { Shadow } from "../../bridge/model/shadow.ts";
import type { Health } from "../../bridge/model/target-health.ts";
import type { LogLine } from "../../bridge/observability/log.ts";
import type { MessageDisposition } from "../../bridge/ports/message-result.ts";
import type { QueueName } from "../../bridge/ports/queue.ts";
import type { JsonObject } from "../../bridge/values/json.ts";
import { type LocalEngine, openLocalEngine } from "../../platform/local/engine.ts";
import { checkSettings, type SettingsInput } from "../../platform/local/settings.ts";
import { ManualClock, seededRandom } from "./clock.ts";

/** Decides the outcome of one packet at a fake target. `call` counts the calls from 1. */
export type Behavior = (packet: Packet, call: number) => Outcome | Promise<Outcome>;

/** A connector to an outside system simulated in the test, which recognizes repeated idempotency keys. */
export interface FakeTarget {
  readonly connector: Connector;
  readonly id: string;
  /** Every packet that reached the target, in order. */
  readonly calls: Packet[];
  /** The packets of each `sendBatch` call, in order. */
  readonly batches: Packet[][];
  /** Fields the target holds, by entity. */
  readonly state: Map<string, JsonObject>;
  /** Number of times each idempotency key had an effect. */
  readonly effects: Map<string, number>;
  behave: Behavior;
  awake: boolean;
  probes: number;
  /** Applies a packet as on success. A behavior may call this and still return a failure. */
  take(packet: Packet): Outcome;
}

export interface FakeOptions {
  readonly name?: string;
  readonly order?: "latest" | "strict";
  readonly lane?: "entity" | "connector";
  readonly idempotent?: boolean;
  readonly perSecond?: number;
  readonly secret?: z.ZodType<unknown>;
  /** True if the target accepts many packets in one call. */
  readonly bulk?: boolean;
  /** Set for a target that sends no webhooks and is polled. */
  readonly poll?: Connector["poll"];
}

export function fakeTarget(options: FakeOptions = {}): FakeTarget {
  const { name = "Fake", order = "latest", idempotent = true, lane, perSecond, secret, bulk = false, poll } = options;
  const target: Omit<FakeTarget, "connector" | "id"> = {
    calls: [],
    batches: [],
    state: new Map(),
    effects: new Map(),
    behave: (packet) => target.take(packet),
    awake: true,
    probes: 0,
    take(packet) {
      if (idempotent && target.effects.has(packet.id)) return delivered({ status: 200 });
      target.effects.set(packet.id, (target.effects.get(packet.id) ?? 0) + 1);
      if (packet.action === "delete") target.state.delete(packet.entity);
      else target.state.set(packet.entity, { ...target.state.get(packet.entity), ...packet.fields });
      return delivered({ status: 200 });
    },
  };
  const send = async (packet: Packet) => {
    target.calls.push(packet);
    return target.behave(packet, target.calls.length);
  };
  const sendBatch = (packets: readonly Packet[]) => {
    target.batches.push([...packets]);
    return Promise.all(packets.map(send));
  };
  const connector: Connector = {
    name,
    version: "v1",
    order,
    idempotent,
    deletes: true,
    ...(lane && { lane }),
    ...(secret && { secret }),
    config: z.looseObject({}),
    rate: { concurrency: 10, ...(perSecond !== undefined && { perSecond }) },
    send,
    ...(bulk && { sendBatch }),
    ...(poll && { poll }),
    async probe() {
      target.probes++;
      return target.awake;
    },
  };
  return Object.assign(target, { connector, id: connectorId(connector) });
}

const noHttp: Http = {
  request: () => Promise.reject(new Error("a fake target does not use HTTP")),
  deliver: () => Promise.reject(new Error("a fake target does not use HTTP")),
  isAwake: () => Promise.reject(new Error("a fake target does not use HTTP")),
};

export const onePerDiem = `
source_event: policy.per_diem.updated
targets:
  fake:
    connector: Fake
    map: { new_rate: dailyRate, note: note, city: city }
`;

export interface CoreOptions {
  readonly targets?: readonly FakeTarget[];
  /** Sheets by name. */
  readonly sheets?: Readonly<Record<string, string>>;
  readonly governance?: string;
  readonly times?: SettingsInput["times"];
  readonly seed?: number;
  /** Folders from which files may be read. */
  readonly places?: readonly string[];
  /** Environment with the connectors' secrets, such as `BRIDGE_SECRET_FAKE`. */
  readonly env?: NodeJS.ProcessEnv;
}

/** The whole path on the embedded engine in memory. It has no worker loops: a test calls each step. */
export interface Core {
  readonly engine: LocalEngine;
  readonly clock: ManualClock;
  readonly lines: LogLine[];
  /** Replaces the sheets in force. */
  use(sheets: Readonly<Record<string, string>>, governance?: string): Promise<void>;
  emit(...events: (Partial<SourceEvent> | string)[]): Promise<void>;
  /** Maps all events in the inbox to packets. */
  map(engine?: Engine): Promise<void>;
  /** Delivers one batch of a lane queue. */
  deliverBatch(target: FakeTarget, engine?: Engine, owner?: string): Promise<readonly MessageDisposition[]>;
  /** Processes all queues until none has a visible message. */
  run(engine?: Engine): Promise<void>;
  /** Runs all jobs to completion and drains the lanes that throttle them. */
  jobs(engine?: Engine): Promise<void>;
  /** Advances the clock second by second until only held packets are open or the time limit is reached. */
  rest(ms?: number): Promise<void>;
  packets(): Promise<PacketRecord[]>;
  /** Returns the only packet. @throws {Error} if there is none or more than one */
  only(): Promise<PacketRecord>;
  entries(): Promise<LedgerEntry[]>;
  steps(id: string): Promise<string[]>;
  health(target: FakeTarget): Promise<Health | undefined>;
  shadow(packet: Packet): Promise<Shadow | undefined>;
  depth(queue: QueueName): Promise<number>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function aCore(options: CoreOptions = {}): Promise<Core> {
  const { targets = [fakeTarget()], sheets = { per_diem: onePerDiem }, seed = 1 } = options;
  const catalog = new Catalog(targets.map(({ connector }) => connector));
  const clock = new ManualClock();
  const lines: LogLine[] = [];
  let set = await aSet(sheets, catalog, options.governance);
  const engine = await openLocalEngine({
    dir: ":memory:",
    catalog,
    sheets: () => set,
    settings: checkSettings({ times: options.times ?? {}, places: options.places ?? [] }, "the test"),
    http: () => noHttp,
    env: options.env ?? {},
    clock,
    random: seededRandom(seed),
    log: (line) => lines.push(line),
  });
  return {
    engine,
    clock,
    lines,
    ...stepsOf(engine, clock, targets),
    ...readsOf(engine),
    async use(next, governance) {
      set = await aSet(next, catalog, governance ?? options.governance);
    },
    async [Symbol.asyncDispose]() {
      await engine.queue.end();
      await engine.db.close();
    },
  };
}

/** Creates the steps that move events and packets, in place of the engine's worker loops. */
function stepsOf(
  engine: LocalEngine,
  clock: ManualClock,
  targets: readonly FakeTarget[],
): Pick<Core, "emit" | "map" | "deliverBatch" | "run" | "jobs" | "rest"> {
  const steps: ReturnType<typeof stepsOf> = {
    async emit(...events) {
      for (const event of events) {
        const body =
          typeof event === "string"
            ? event
            : JSON.stringify({ source: "hms.policy", type: "policy.per_diem.updated", ...event });
        await engine.queue.send("inbox", [{ group: groupOf(body) ?? engine.random.id(), body }]);
      }
    },
    async map(by = engine) {
      for (;;) {
        const messages = await engine.queue.receive("inbox", { max: 10, visibilityMs: 180_000, waitMs: 0 });
        if (messages.length === 0) return;
        await applyDispositions(engine, "inbox", await accept(by, messages));
      }
    },
    async deliverBatch(target, by = engine, owner = "owner") {
      const queue = `lane:${target.id}` as const;
      const messages = await engine.queue.receive(queue, { max: 10, visibilityMs: 180_000, waitMs: 0 });
      if (messages.length === 0) return [];
      const worker: ConnectorWorker = { connector: target.connector, owner, acquire: async () => () => {} };
      const dispositions = await deliver(by, worker, messages);
      await applyDispositions(engine, queue, dispositions);
      return dispositions;
    },
    async run(by = engine) {
      await steps.map(by);
      for (const target of targets) while ((await steps.deliverBatch(target, by)).length > 0);
    },
    async jobs(by = engine) {
      let finished = false;
      const working = runJobs(by, () => true).finally(() => {
        finished = true;
      });
      while (!finished) {
        for (const target of targets) await steps.deliverBatch(target);
        await clock.advance(100);
      }
      await working;
    },
    async rest(ms = 3_600_000) {
      const end = clock.now() + ms;
      await steps.run();
      while (clock.now() < end && (await openWork(engine)) > 0) {
        await runMaintenance(engine);
        await steps.run();
        await clock.advance(1_000);
      }
    },
  };
  return steps;
}

/** Returns the group in which the bridge would send an event to the inbox, or `undefined` for another body. */
function groupOf(body: string): string | undefined {
  const parsed = parseEvent(body);
  return parsed.kind === "event" ? eventKey(parsed.event) : undefined;
}

/** Creates the shortcuts with which tests read the engine's state. */
function readsOf(
  engine: LocalEngine,
): Pick<Core, "packets" | "only" | "entries" | "steps" | "health" | "shadow" | "depth"> {
  const packets = async () => [...(await engine.store.packets({ limit: 10_000 })).items];
  return {
    packets,
    async only() {
      const all = await packets();
      if (all.length !== 1) throw new Error(`Expected one packet, found ${all.length}`);
      return all[0] as PacketRecord;
    },
    async entries() {
      return [...(await engine.store.ledger({ limit: 100_000 })).items];
    },
    async steps(id) {
      return (await engine.store.chain(id)).map(({ step }) => step);
    },
    async health(target) {
      return (await engine.store.read("health", [target.id]))[0]?.value;
    },
    async shadow(packet) {
      return (await engine.store.read("shadow", [packet.shadow]))[0]?.value;
    },
    async depth(queue) {
      const { waiting, inFlight } = await engine.queue.depth(queue);
      return waiting + inFlight;
    },
  };
}

/** Counts the packets and events that can still move without a person. */
async function openWork(engine: LocalEngine): Promise<number> {
  const { packets } = await engine.store.tally();
  const inbox = await engine.queue.depth("inbox");
  const { items: unsent } = await engine.store.unsentEvents({ to: Number.MAX_SAFE_INTEGER, limit: 1 });
  return packets.QUEUED + packets.RETRY + inbox.waiting + inbox.inFlight + unsent.length;
}

async function aSet(
  sheets: Readonly<Record<string, string>>,
  catalog: Catalog,
  governance = "otherwise: block",
): Promise<SheetSet> {
  const files = Object.entries(sheets).map(([name, text]) => ({ file: `mappings/${name}.yaml`, text }));
  const policy = aPolicy(governance);
  const reading = await readSheets(files, catalog, policy);
  if (reading.issues.length > 0) throw new Error(JSON.stringify(reading.issues));
  return sheetSet(reading.sheets, policy);
}

export function aPolicy(text: string): Policy {
  const reading = readPolicy("governance.yaml", text);
  if (!reading.ok) throw new Error(reading.message);
  return reading.policy;
}

async function applyDispositions(
  engine: LocalEngine,
  queue: QueueName,
  dispositions: readonly MessageDisposition[],
): Promise<void> {
  const done = dispositions.flatMap((one) => (one.kind === "ack" ? [one.receipt] : []));
  await engine.queue.remove(queue, done);
  await engine.queue.delay(
    queue,
    dispositions.flatMap((one) => (one.kind === "delay" ? [one] : [])),
  );
}

/**
 * Returns violations of the guarantees: every event and packet is counted, and each packet's last ledger entry matches
 * its status. Empty if there are none.
 */
export async function invariantViolations(core: Core, emitted: number): Promise<string[]> {
  const { events, packets } = await core.engine.store.tally();
  const violations: string[] = [];
  const { duplicates, EXPANDED, EXPANDING, UNMATCHED, QUARANTINED } = events;
  const inInbox = (await core.depth("inbox")) + (await core.depth("inbox-dead"));
  const seen = EXPANDED + EXPANDING + UNMATCHED + QUARANTINED + duplicates;
  // A message still in the inbox may have been recorded already.
  if (seen > emitted || seen + inInbox < emitted) violations.push(`${emitted} events in, ${seen} accounted for`);

  const all = await core.packets();
  const counted = Object.values(packets).reduce((a, b) => a + b, 0);
  if (counted !== all.length) violations.push(`${all.length} packets recorded, ${counted} counted`);
  for (const { packet, progress } of all) {
    const chain = await core.engine.store.chain(packet.id);
    const last = chain.findLast(({ step }) => step !== "ERASED");
    if (last?.step !== progress.status)
      violations.push(`${packet.id} is ${progress.status}, its ledger says ${last?.step}`);
    if (isClosed(progress.status) !== (progress.closedAt !== undefined))
      violations.push(`${packet.id} has no closing time`);
  }
  return violations;
}
