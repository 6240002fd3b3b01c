import * as z from "zod";
import { healthOf, isDown } from "../bridge/delivery/circuit-breaker.ts";
import type { Engine } from "../bridge/engine.ts";
import { type Connector, connectorId } from "../bridge/model/connector.ts";
import { pause, redriveNow, resume } from "../bridge/operations/connector-operations.ts";
import { forget } from "../bridge/operations/forget-shadow.ts";
import type { Actor } from "../bridge/operations/operator.ts";
import { withoutPersonalData } from "../bridge/pii/redact.ts";
import type { QueueName } from "../bridge/ports/queue.ts";
import { endpoint, type OpsContext } from "./endpoint.ts";
import { lagsOf } from "./lag.ts";
import { ProblemError } from "./problem.ts";
import { name, reason, timeOut } from "./schemas.ts";

const lag = z
  .object({ count: z.int(), p50: z.number(), p95: z.number(), p99: z.number(), max: z.number() })
  .describe("ms from queueing to acknowledgement, of the newest packets of the last hour.");

export const connectorView = z
  .object({
    id: z.string(),
    name: z.string(),
    version: z.string(),
    order: z.enum(["latest", "strict"]),
    idempotent: z.boolean(),
    health: z.enum(["UP", "DOWN", "PAUSED"]),
    since: z.iso.datetime().optional().describe("Since when its target is up or down, as far as that was seen."),
    pause: z.object({ actor: z.string(), why: z.string(), at: z.iso.datetime() }).optional(),
    probedAt: z.iso.datetime().optional(),
    redriveAt: z.iso.datetime().optional().describe("When its outbox is next sent back."),
    redrivePerSecond: z.number().optional().describe("At which rate its outbox is being sent back just now."),
    breachedSince: z.iso.datetime().optional().describe("Since when packets are later than their window."),
    windowMs: z.int().describe("The shortest consistency window of the sheets that send to it."),
    oldestWaitingMs: z.number().optional().describe("How long its oldest open packet waits."),
    lane: z.int().describe("Messages in its lane queue."),
    outbox: z.int().describe("Messages in its outbox."),
    held: z.int().describe("Of the newest thousand held packets."),
    ready: z.string().optional().describe("yes, or what its configuration or secret lacks."),
    lag: lag.optional(),
    lagByMinute: z.array(lag.extend({ at: z.iso.datetime() })),
  })
  .meta({ id: "Connector" });

const params = z.strictObject({ id: name });
const heldLookedAt = 1_000;
const defaultWindowMs = 60_000;

const listConnectors = endpoint({
  method: "get",
  path: "/api/connectors",
  id: "listConnectors",
  summary: "Connectors: health, window and lag, what waits, what is held",
  answer: z.object({ items: z.array(connectorView) }),
  async run({ ops }) {
    const held = await heldBy(ops.engine);
    return { items: await Promise.all(ops.engine.catalog.ids.map((id) => viewOf(ops, id, held))) };
  },
});

const getConnector = endpoint({
  method: "get",
  path: "/api/connectors/{id}",
  id: "getConnector",
  summary: "One connector",
  params,
  answer: connectorView,
  problems: ["missing"],
  async run({ ops, params }) {
    const connector = connectorCalled(ops.engine, params.id);
    if (connector instanceof ProblemError) return connector;
    return viewOf(ops, connectorId(connector), await heldBy(ops.engine));
  },
});

export const switchedAnswer = z.object({ connector: z.string(), changed: z.boolean(), paused: z.boolean() });

const pauseConnector = endpoint({
  method: "post",
  path: "/api/connectors/{id}/pause",
  id: "pauseConnector",
  summary: "Stops sending to a target: its packets wait in the outbox",
  params,
  body: z.strictObject({ reason }),
  answer: switchedAnswer,
  problems: ["missing"],
  run: ({ ops: { engine }, params, body, actor }) => turn(engine, params.id, { actor, reason: body.reason }, pause),
});

const resumeConnector = endpoint({
  method: "post",
  path: "/api/connectors/{id}/resume",
  id: "resumeConnector",
  summary: "Sends to a paused target again, its outbox first",
  params,
  body: z.strictObject({ reason }),
  answer: switchedAnswer,
  problems: ["missing"],
  run: ({ ops: { engine }, params, body, actor }) => turn(engine, params.id, { actor, reason: body.reason }, resume),
});

async function turn(engine: Engine, called: string, by: Actor, act: typeof pause) {
  const connector = connectorCalled(engine, called);
  if (connector instanceof ProblemError) return connector;
  const { changed, health } = await act(engine, connector, by);
  return { connector: connectorId(connector), changed, paused: health.paused };
}

export const probeAnswer = z.object({ connector: z.string(), awake: z.boolean() });

const probeConnector = endpoint({
  method: "post",
  path: "/api/connectors/{id}/probe",
  id: "probeConnector",
  summary: "Asks a target whether it is awake; one that woke gets its outbox",
  params,
  answer: probeAnswer,
  problems: ["missing"],
  async run({ ops, params }) {
    const connector = connectorCalled(ops.engine, params.id);
    if (connector instanceof ProblemError) return connector;
    return { connector: connectorId(connector), awake: !isDown(await ops.probe(connector)) };
  },
});

export const redriveAnswer = z.object({ connector: z.string(), waiting: z.int() });

const redriveConnector = endpoint({
  method: "post",
  path: "/api/connectors/{id}/redrive",
  id: "redriveConnector",
  summary: "Sends an outbox back to its lanes now",
  params,
  body: z.strictObject({ reason }),
  answer: redriveAnswer,
  problems: ["missing", "refused"],
  async run({ ops: { engine }, params, body, actor }) {
    const connector = connectorCalled(engine, params.id);
    if (connector instanceof ProblemError) return connector;
    const redriven = await redriveNow(engine, connector, { actor, reason: body.reason });
    if (redriven.kind === "refused") return new ProblemError("refused", redriven.why);
    const id = connectorId(connector);
    return { connector: id, waiting: redriven.kind === "due" ? redriven.waiting : 0 };
  },
});

const forgetShadow = endpoint({
  method: "post",
  path: "/api/connectors/{id}/forget",
  id: "forgetShadow",
  summary: "Forgets what a target is believed to hold, as after a change by others at the target",
  params,
  body: z.strictObject({ entity: z.string().min(1).max(512).optional() }),
  answer: z.object({ connector: z.string(), forgotten: z.boolean() }),
  problems: ["missing"],
  async run({ ops: { engine }, params, body: { entity }, actor }) {
    const connector = connectorCalled(engine, params.id);
    if (connector instanceof ProblemError) return connector;
    return { connector: connectorId(connector), forgotten: await forget(engine, connector, actor, entity) };
  },
});

export const connectorOperations = [
  listConnectors,
  getConnector,
  pauseConnector,
  resumeConnector,
  probeConnector,
  redriveConnector,
  forgetShadow,
];

/** What a caller means by `PayrollConnector`, or why nothing is meant by it. */
export function connectorCalled({ catalog }: Engine, called: string): Connector | ProblemError {
  const found = catalog.find(called);
  if (!("fault" in found)) return found.connector;
  const several = catalog.ids.filter((id) => id.split("@")[0] === called);
  const which = (several.length > 1 ? several : catalog.ids).join(", ");
  return new ProblemError("unknown-connector", `Of these names one must be given: ${which}.`);
}

export function connectorNamed(engine: Engine, called: string): string | ProblemError {
  const found = connectorCalled(engine, called);
  return found instanceof ProblemError ? found : connectorId(found);
}

async function heldBy({ store }: Engine): Promise<ReadonlyMap<string, number>> {
  const { items } = await store.packets({ statuses: ["HELD"], newestFirst: true, limit: heldLookedAt });
  const counts = new Map<string, number>();
  for (const { packet } of items) counts.set(packet.connector, (counts.get(packet.connector) ?? 0) + 1);
  return counts;
}

async function viewOf(
  { engine, readiness }: OpsContext,
  id: string,
  held: ReadonlyMap<string, number>,
): Promise<z.input<typeof connectorView>> {
  const connector = engine.catalog.get(id) as Connector;
  const now = engine.clock.now();
  const [[stored], oldest, lane, outbox, lags, ready] = await Promise.all([
    engine.store.read("health", [id]),
    engine.store.waiting(id, { before: now + 1, limit: 1 }),
    depth(engine, `lane:${id}`),
    depth(engine, `outbox:${id}`),
    lagsOf(engine),
    readiness?.(connector),
  ]);
  const health = stored?.value ?? healthOf(now);
  const { pause, probedAt, redriveAt, redrivePerSecond, breachedSince } = health;
  const [waiting] = oldest.items;
  const lastHour = lags.lastHour.get(id);
  return {
    id,
    name: connector.name,
    version: connector.version,
    order: connector.order,
    idempotent: connector.idempotent,
    health: health.paused ? "PAUSED" : health.status,
    ...(stored && { since: timeOut(health.since) }),
    ...(pause && { pause: { ...pause, why: withoutPersonalData(pause.why), at: timeOut(pause.at) } }),
    ...(probedAt !== undefined && { probedAt: timeOut(probedAt) }),
    ...(redriveAt !== undefined && outbox > 0 && { redriveAt: timeOut(redriveAt) }),
    ...(redrivePerSecond !== undefined && { redrivePerSecond }),
    ...(breachedSince !== undefined && { breachedSince: timeOut(breachedSince) }),
    windowMs: windowOf(engine, id),
    ...(waiting && { oldestWaitingMs: Math.max(0, now - waiting.progress.queuedAt) }),
    lane,
    outbox,
    held: held.get(id) ?? 0,
    ...(ready !== undefined && { ready }),
    ...(lastHour && { lag: { ...lastHour } }),
    lagByMinute: (lags.byMinute.get(id) ?? []).map((row) => ({ ...row, at: timeOut(row.at) })),
  };
}

export async function depth({ queue }: Engine, name: QueueName): Promise<number> {
  const { waiting, inFlight } = await queue.depth(name);
  return waiting + inFlight;
}

function windowOf({ sheets, catalog }: Engine, id: string): number {
  const windows = sheets().sheets.flatMap(({ targets, windowMs }) =>
    targets.some(({ connector }) => isCalled(catalog.find(connector), id)) ? [windowMs] : [],
  );
  return windows.length > 0 ? Math.min(...windows) : defaultWindowMs;
}

function isCalled(found: ReturnType<Engine["catalog"]["find"]>, id: string): boolean {
  return !("fault" in found) && connectorId(found.connector) === id;
}
