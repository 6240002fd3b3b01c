import * as z from "zod";
import { healthOf, isDown } from "../bridge/delivery/circuit-breaker.ts";
import type { Engine } from "../bridge/engine.ts";
import { isKnownConnector, missingConnectors } from "../bridge/maintenance/missing-connectors.ts";
import { type Connector, connectorId } from "../bridge/model/connector.ts";
import { stopReason } from "../bridge/model/target-health.ts";
import { confirmAddress, pause, redriveNow, resume } from "../bridge/operations/connector-operations.ts";
import { forget } from "../bridge/operations/forget-shadow.ts";
import type { Actor } from "../bridge/operations/operator.ts";
import { withoutPersonalData } from "../bridge/pii/redact.ts";
import type { QueueName } from "../bridge/ports/queue.ts";
import { endpoint, type OpsContext } from "./endpoint.ts";
import { lagsOf } from "./lag.ts";
import { ApiProblem } from "./problem.ts";
import { name, reason, timeOut } from "./schemas.ts";

const lag = z
  .object({ count: z.int(), p50: z.number(), p95: z.number(), p99: z.number(), max: z.number() })
  .describe("Milliseconds from queueing to acknowledgement, for the newest packets of the last hour.");

export const connectorView = z
  .object({
    id: z.string(),
    name: z.string(),
    version: z.string(),
    order: z.enum(["latest", "strict"]),
    idempotent: z.boolean(),
    health: z.enum(["UP", "DOWN", "PAUSED"]),
    since: z.iso.datetime().optional().describe("Time at which the target entered its current state, up or down."),
    pause: z.object({ actor: z.string(), why: z.string(), at: z.iso.datetime() }).optional(),
    moved: z
      .object({ at: z.iso.datetime(), why: z.string() })
      .optional()
      .describe(
        "Set while the connector's address is not the one its shadows belong to. Nothing is sent until an operator forgets the shadow or confirms the address.",
      ),
    probedAt: z.iso.datetime().optional(),
    redriveAt: z.iso.datetime().optional().describe("Time of the next redrive of the outbox."),
    redrivePerSecond: z.number().optional().describe("The rate of the redrive in progress."),
    breachedSince: z.iso
      .datetime()
      .optional()
      .describe("Time at which packets first exceeded their consistency window."),
    windowMs: z.int().describe("The shortest consistency window of all sheets that use this connector."),
    oldestWaitingMs: z.number().optional().describe("Time since the oldest open packet was queued."),
    lane: z.int().describe("Messages in the lane queue."),
    outbox: z.int().describe("Messages in the outbox."),
    held: z.int().describe("Number of this connector's packets among the 1,000 newest held packets."),
    ready: z.string().optional().describe("`yes`, or the part of the configuration or secret that is missing."),
    lag: lag.optional(),
    lagByMinute: z.array(lag.extend({ at: z.iso.datetime() })),
  })
  .meta({ id: "Connector" });

export const connectorList = z.object({
  items: z.array(connectorView),
  missing: z
    .array(z.object({ id: z.string(), waiting: z.int(), held: z.int() }))
    .optional()
    .describe("Connectors that are not installed any more, with the packets that wait for them and those held."),
});

const params = z.strictObject({ id: name });
const maxHeldScanned = 1_000;
const defaultWindowMs = 60_000;

const listConnectors = endpoint({
  method: "get",
  path: "/api/connectors",
  id: "listConnectors",
  summary: "Lists connectors with their health, consistency window, lag, waiting packets and held packets",
  answer: connectorList,
  async run({ ops }) {
    const held = await heldBy(ops.engine);
    const [items, known] = await Promise.all([
      Promise.all(ops.engine.catalog.ids.map((id) => viewOf(ops, id, held))),
      missingConnectors(ops.engine),
    ]);
    const missing = known
      .map((one) => ({ ...one, held: held.get(one.id) ?? 0 }))
      .filter(({ waiting, held: kept }) => waiting + kept > 0);
    return { items, ...(missing.length > 0 && { missing }) };
  },
});

const getConnector = endpoint({
  method: "get",
  path: "/api/connectors/{id}",
  id: "getConnector",
  summary: "Gets one connector",
  params,
  answer: connectorView,
  problems: ["missing"],
  async run({ ops, params }) {
    const connector = findConnector(ops.engine, params.id);
    if (connector instanceof ApiProblem) return connector;
    return viewOf(ops, connectorId(connector), await heldBy(ops.engine));
  },
});

export const pauseAnswer = z.object({ connector: z.string(), changed: z.boolean(), paused: z.boolean() });

const pauseConnector = endpoint({
  method: "post",
  path: "/api/connectors/{id}/pause",
  id: "pauseConnector",
  summary: "Stops sending to a target. Its packets wait in the outbox",
  params,
  body: z.strictObject({ reason }),
  answer: pauseAnswer,
  problems: ["missing"],
  run: ({ ops: { engine }, params, body, actor }) =>
    switchPause(engine, params.id, { actor, reason: body.reason }, pause),
});

const resumeConnector = endpoint({
  method: "post",
  path: "/api/connectors/{id}/resume",
  id: "resumeConnector",
  summary: "Resumes sending to a paused target, outbox first",
  params,
  body: z.strictObject({ reason }),
  answer: pauseAnswer,
  problems: ["missing"],
  run: ({ ops: { engine }, params, body, actor }) =>
    switchPause(engine, params.id, { actor, reason: body.reason }, resume),
});

async function switchPause(engine: Engine, reference: string, by: Actor, operation: typeof pause) {
  const connector = findConnector(engine, reference);
  if (connector instanceof ApiProblem) return connector;
  const { changed, health } = await operation(engine, connector, by);
  return { connector: connectorId(connector), changed, paused: health.paused };
}

export const probeAnswer = z.object({ connector: z.string(), awake: z.boolean() });

const probeConnector = endpoint({
  method: "post",
  path: "/api/connectors/{id}/probe",
  id: "probeConnector",
  summary: "Probes a target. If it has come back up, its outbox is redriven",
  params,
  answer: probeAnswer,
  problems: ["missing"],
  async run({ ops, params }) {
    const connector = findConnector(ops.engine, params.id);
    if (connector instanceof ApiProblem) return connector;
    return { connector: connectorId(connector), awake: !isDown(await ops.probe(connector)) };
  },
});

export const redriveAnswer = z.object({ connector: z.string(), waiting: z.int() });

const redriveConnector = endpoint({
  method: "post",
  path: "/api/connectors/{id}/redrive",
  id: "redriveConnector",
  summary: "Redrives a connector's outbox now",
  params,
  body: z.strictObject({ reason }),
  answer: redriveAnswer,
  problems: ["missing", "refused"],
  async run({ ops: { engine }, params, body, actor }) {
    const connector = findConnector(engine, params.id);
    if (connector instanceof ApiProblem) return connector;
    const result = await redriveNow(engine, connector, { actor, reason: body.reason });
    if (result.kind === "refused") return new ApiProblem("refused", result.why);
    const id = connectorId(connector);
    return { connector: id, waiting: result.kind === "due" ? result.waiting : 0 };
  },
});

export const confirmAnswer = z.object({ connector: z.string(), confirmed: z.boolean() });

const confirmConnector = endpoint({
  method: "post",
  path: "/api/connectors/{id}/confirm",
  id: "confirmAddress",
  summary: "Confirms that a connector's new address leads to the same system, and resumes sending, outbox first",
  params,
  body: z.strictObject({ reason }),
  answer: confirmAnswer,
  problems: ["missing", "refused"],
  async run({ ops: { engine }, params, body, actor }) {
    const connector = findConnector(engine, params.id);
    if (connector instanceof ApiProblem) return connector;
    const result = await confirmAddress(engine, connector, { actor, reason: body.reason });
    if (result.kind === "refused") return new ApiProblem("refused", result.why);
    return { connector: connectorId(connector), confirmed: true };
  },
});

export const forgetAnswer = z.object({ connector: z.string(), forgotten: z.boolean() });

const forgetShadow = endpoint({
  method: "post",
  path: "/api/connectors/{id}/forget",
  id: "forgetShadow",
  summary: "Forgets the known values of a target, for use after its data was changed outside the bridge",
  params,
  body: z.strictObject({ entity: z.string().min(1).max(512).optional() }),
  answer: forgetAnswer,
  problems: ["missing"],
  async run({ ops: { engine }, params, body: { entity }, actor }) {
    const connector = findConnector(engine, params.id);
    if (connector instanceof ApiProblem) return connector;
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
  confirmConnector,
  forgetShadow,
];

/** Finds a connector by id (`WorkForceNow@v2`), or by name if it has only one version. Otherwise returns a problem. */
export function findConnector({ catalog }: Engine, reference: string): Connector | ApiProblem {
  const found = catalog.find(reference);
  if (!("issue" in found)) return found.connector;
  const versions = catalog.ids.filter((id) => id.split("@")[0] === reference);
  const choices = (versions.length > 1 ? versions : catalog.ids).join(", ");
  return new ApiProblem("unknown-connector", `Use one of these connectors: ${choices}.`);
}

/** Like `findConnector`, but returns the connector's id. */
export function findConnectorId(engine: Engine, reference: string): string | ApiProblem {
  const found = findConnector(engine, reference);
  return found instanceof ApiProblem ? found : connectorId(found);
}

/** Like `findConnectorId`, but also finds a connector that is not installed any more, by its id. */
export async function findPacketsConnector(engine: Engine, reference: string): Promise<string | ApiProblem> {
  const found = findConnectorId(engine, reference);
  return found instanceof ApiProblem && (await isKnownConnector(engine, reference)) ? reference : found;
}

async function heldBy({ store }: Engine): Promise<ReadonlyMap<string, number>> {
  const { items } = await store.packets({ statuses: ["HELD"], newestFirst: true, limit: maxHeldScanned });
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
  const { pause, moved, probedAt, redriveAt, redrivePerSecond, breachedSince } = health;
  const [waiting] = oldest.items;
  const lastHour = lags.lastHour.get(id);
  return {
    id,
    name: connector.name,
    version: connector.version,
    order: connector.order,
    idempotent: connector.idempotent,
    health: stopReason(health) === undefined ? health.status : "PAUSED",
    ...(stored && { since: timeOut(health.since) }),
    ...(pause && { pause: { ...pause, why: withoutPersonalData(pause.why), at: timeOut(pause.at) } }),
    ...(moved && { moved: { at: timeOut(moved.at), why: stopReason({ paused: false, moved }) ?? "" } }),
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

/** Returns the number of messages in a queue, waiting and in flight. */
export async function depth({ queue }: Engine, name: QueueName): Promise<number> {
  const { waiting, inFlight } = await queue.depth(name);
  return waiting + inFlight;
}

function windowOf({ sheets, catalog }: Engine, id: string): number {
  const windows = sheets().sheets.flatMap(({ targets, windowMs }) =>
    targets.some(({ connector }) => hasId(catalog.find(connector), id)) ? [windowMs] : [],
  );
  return windows.length > 0 ? Math.min(...windows) : defaultWindowMs;
}

function hasId(found: ReturnType<Engine["catalog"]["find"]>, id: string): boolean {
  return !("issue" in found) && connectorId(found.connector) === id;
}
