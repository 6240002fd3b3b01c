import type { Engine } from "../engine.ts";
import { type Connector, connectorId } from "../model/connector.ts";
import { isClosed } from "../model/ledger-entry.ts";
import { type Outcome, unknown } from "../model/outcome.ts";
import { type Packet, plainFacts } from "../model/packet.ts";
import type { Progress } from "../model/packet-record.ts";
import type { Health } from "../model/target-health.ts";
import { errorName } from "../observability/log.ts";
import { ack, delay, type MessageDisposition } from "../ports/message-result.ts";
import type { Message } from "../ports/queue.ts";
import type { Put, Stored } from "../ports/store.ts";
import { wakeLaneHead } from "../recording/enqueue.ts";
import { replacePacket } from "../recording/replace-packet.ts";
import { createPacketRecord } from "../recording/transitions.ts";
import { writeTransition } from "../recording/write-transition.ts";
import { type AcquirePermit, type CallBatcher, createCallBatcher } from "./call-batcher.ts";
import { healthOf, isDown } from "./circuit-breaker.ts";
import { type PacketResult, park, settle, settleUnsent } from "./settle.ts";
import { emptyShadow, reconcile } from "./shadow.ts";
import { type KnownShadow, readShadow, shadowKeyOf } from "./shadow-store.ts";

/** One connector at work in one process. */
export interface ConnectorWorker {
  readonly connector: Connector;
  /** Who holds the leases: one name a process. */
  readonly owner: string;
  readonly acquire: AcquirePermit;
  /** ms since the epoch after which no send may start: a Lambda's end less its margin. */
  readonly lastStart?: number;
}

/** What the messages of a batch are about, read in one go, and where its lanes wait for their call. */
interface BatchContext {
  readonly batcher: CallBatcher;
  readonly refs: ReadonlyMap<Message, MessageRef>;
  readonly packets: ReadonlyMap<string, Stored<"packet">>;
  readonly shadows: ReadonlyMap<string, KnownShadow>;
  readonly health: Health;
  /** ms since the epoch: the carrier's, or where the queue may give the messages to another, who goes on with those behind. */
  readonly lastStart: number;
}

/** The desk as one lane comes to it. */
interface LaneContext extends BatchContext {
  /** Whether a send may still start: asked before each. */
  readonly maySend: () => boolean;
}

/**
 * The connector's work: messages of its lane queue in, packets delivered, put off, parked or held.
 *
 * Lanes go side by side, the messages of a lane one after another. A message that must wait makes those behind it in
 * its lane wait with it, and no others. Where the target takes many at once, lanes that are ready share a call.
 *
 * A crash anywhere leads to another try with the same idempotency key.
 */
export async function deliver(
  engine: Engine,
  carrier: ConnectorWorker,
  messages: readonly Message[],
): Promise<MessageDisposition[]> {
  const lanes = Map.groupBy(messages, (message) => message.group);
  const desk = await loadBatch(engine, carrier, messages, lanes.size);
  const reports = await Promise.all(
    [...lanes.values()].map((lane) => deliverLane(engine, carrier, desk, lane).finally(desk.batcher.laneDone)),
  );
  return reports.flat();
}

async function loadBatch(
  engine: Engine,
  carrier: ConnectorWorker,
  messages: readonly Message[],
  lanes: number,
): Promise<BatchContext> {
  const { clock, times } = engine;
  const { lastStart = Number.POSITIVE_INFINITY } = carrier;
  const givenUp = clock.now() + times.visibilityMs - times.sendMs;
  const names = new Map(
    messages.flatMap((message) => {
      const found = parseMessageRef(message.body);
      return found ? [[message, found]] : [];
    }),
  );
  const ids = [...new Set([...names.values()].map(({ id }) => id))];
  const shadowIds =
    carrier.connector.order === "strict" ? [] : [...new Set([...names.values()].map(({ shadow }) => shadow))];
  const [packets, shadows, [health]] = await Promise.all([
    engine.store.read("packet", ids),
    engine.store.read("shadow", shadowIds),
    engine.store.read("health", [connectorId(carrier.connector)]),
  ]);
  return {
    batcher: createCallBatcher(engine, carrier.connector, carrier.acquire, lanes),
    refs: names,
    packets: new Map(packets.flatMap((stored) => (stored ? [[stored.value.packet.id, stored]] : []))),
    shadows: new Map(shadowIds.map((id, i) => [id, shadows[i]])),
    health: health?.value ?? healthOf(clock.now()),
    lastStart: Math.min(lastStart, givenUp),
  };
}

/** What a message says it is about. Only the table's copy is believed beyond that. */
interface MessageRef {
  readonly id: string;
  readonly shadow: string;
}

function parseMessageRef(body: string): MessageRef | undefined {
  try {
    const { id, shadow } = JSON.parse(body) as Partial<Record<keyof Packet, unknown>>;
    return typeof id === "string" && typeof shadow === "string" ? { id, shadow } : undefined;
  } catch {
    return undefined;
  }
}

async function deliverLane(
  engine: Engine,
  carrier: ConnectorWorker,
  desk: BatchContext,
  lane: readonly Message[],
): Promise<MessageDisposition[]> {
  const reports: MessageDisposition[] = [];
  // Until its message is removed, a parked packet comes again before those behind it. So none of them is sent yet: should
  // this process end before it has settled one, the older would be sent after the newer.
  let someParked = false;
  const counter: LaneContext = { ...desk, maySend: () => !someParked && engine.clock.now() <= desk.lastStart };
  for (const [i, message] of lane.entries()) {
    let carried: Exclude<PacketResult, "conflict">;
    try {
      carried = await deliverMessage(engine, carrier, counter, message, i === 0);
    } catch (error) {
      engine.log({ step: "deliver-failed", connector: connectorId(carrier.connector), error: errorName(error) });
      carried = engine.times.backoffMs[0] as number;
    }
    if (carried === "parked") someParked = true;
    else if (carried !== "done") {
      const ms = carried;
      return [...reports, ...lane.slice(i).map((waiting) => delay(waiting.receipt, ms))];
    }
    reports.push(ack(message.receipt));
  }
  return reports;
}

/** @param fresh whether nothing of this lane was written since the desk was laid out */
async function deliverMessage(
  engine: Engine,
  carrier: ConnectorWorker,
  desk: LaneContext,
  message: Message,
  fresh: boolean,
): Promise<Exclude<PacketResult, "conflict">> {
  const names = desk.refs.get(message);
  let stored = names && desk.packets.get(names.id);
  if (!names || !stored) {
    // Recording comes before queueing, so this message is none of ours: the table knows all that may be sent.
    engine.log({ step: "unknown-message", connector: connectorId(carrier.connector), messageId: message.id });
    return "done";
  }
  let shadow: KnownShadow;
  if (fresh && desk.shadows.has(stored.value.packet.shadow)) shadow = desk.shadows.get(stored.value.packet.shadow);
  else shadow = await readShadow(engine, stored.value.packet);
  for (;;) {
    const carried = await processPacket(engine, carrier, desk, stored, shadow);
    if (carried !== "conflict") return carried;
    [stored] = await engine.store.read("packet", [names.id]);
    if (!stored) return "done";
    shadow = await readShadow(engine, stored.value.packet);
  }
}

async function processPacket(
  engine: Engine,
  carrier: ConnectorWorker,
  desk: LaneContext,
  stored: Stored<"packet">,
  shadow: KnownShadow,
): Promise<PacketResult> {
  const { packet, progress } = stored.value;
  const { health } = desk;
  const { clock } = engine;
  if (isClosed(progress.status) || progress.status === "HELD") return "done";
  if (progress.lease && progress.lease.until > clock.now()) return progress.lease.until - clock.now();
  // A lease nobody gave back: its owner died, perhaps after the target had taken the packet.
  const inDoubt = progress.lease !== undefined;

  if (inDoubt && !carrier.connector.idempotent) {
    const outcome = unknown("a try broke off after it may have begun, and the target cannot tell a repeat");
    return settle(engine, stored, shadow, { ...carrier, outcome, roundTripMs: 0, health, inDoubt });
  }
  if (inDoubt && packet.order === "latest" && progress.lease?.shadow !== (shadow?.etag ?? 0)) {
    return resendWithNewKey(engine, stored);
  }
  if (packet.echo && !packet.force) return settleEcho(engine, stored, shadow, health);
  if (packet.order === "strict") {
    const [head] = await engine.store.laneOpen(packet.lane, 1);
    if (head && head.value.packet.id !== packet.id) return waitBehind(engine, stored, head.value.packet.id);
  }
  if (health.paused) return park(engine, stored, shadow, health, "the connector is paused", inDoubt);
  if (isDown(health)) return park(engine, stored, shadow, health, "the target is down", inDoubt);
  if (packet.order === "strict") return attempt(engine, carrier, desk, stored, shadow, packet);

  const left = reconcile(packet, shadow?.value ?? emptyShadow, shadowKeyOf(engine, health));
  return left.kind === "send"
    ? attempt(engine, carrier, desk, stored, shadow, { ...packet, fields: left.fields })
    : settleUnsent(engine, stored, shadow, health, left.kind);
}

/**
 * A try broke off, the queue lost the message, and something older went to the record since. Should the try have landed
 * before it, the target would take no notice of a repeat, and stay with what is older: so the packet goes under a new key.
 */
async function resendWithNewKey(engine: Engine, stored: Stored<"packet">): Promise<PacketResult> {
  const { packet } = stored.value;
  const done = await replacePacket(engine, stored, {
    shape: packet,
    act: { why: "a try broke off, and something else went to the record since" },
    job: undefined,
    // All else stands at the beginning of the one it replaces; a connector's function may not read the ledger.
    begun: (child) =>
      createPacketRecord(child, engine.clock.now(), "QUEUED", plainFacts(child, engine.bridgeKey), { unsent: true }),
  });
  return done.kind === "done" ? "done" : "conflict";
}

/** What a target has said itself it holds, unless it is known to hold something newer. */
function settleEcho(
  engine: Engine,
  stored: Stored<"packet">,
  shadow: KnownShadow,
  health: Health,
): Promise<PacketResult> {
  const { packet } = stored.value;
  const left =
    packet.order === "strict"
      ? undefined
      : reconcile(packet, shadow?.value ?? emptyShadow, shadowKeyOf(engine, health));
  return settleUnsent(engine, stored, shadow, health, left?.kind === "SUPERSEDED" ? "SUPERSEDED" : "UNCHANGED");
}

/** In a strict lane only the oldest open packet is tried; whoever closes it rings for the next. */
async function waitBehind(engine: Engine, stored: Stored<"packet">, head: string): Promise<PacketResult> {
  const waiting = { place: "behind", behind: head, reason: `behind ${head}` } as const;
  const written = await writeTransition(engine, stored, "QUEUED", { place: "behind", head }, waiting);
  // The head may have closed, and looked for whom to ring, just before this was written.
  if (written === "done") await wakeLaneHead(engine, stored.value.packet.lane);
  return written;
}

/** Claims the packet, sends what is left of it, and settles. */
async function attempt(
  engine: Engine,
  carrier: ConnectorWorker,
  { batcher: boarding, health, maySend }: LaneContext,
  stored: Stored<"packet">,
  shadow: KnownShadow,
  toSend: Packet,
): Promise<PacketResult> {
  const { clock, store, times } = engine;
  if (!maySend()) return 0;
  const lease = () => ({
    owner: carrier.owner,
    until: clock.now() + times.leaseMs,
    ...(toSend.order === "latest" && { shadow: shadow?.etag ?? 0 }),
  });
  const take = async (before: Stored<"packet">, progress: Progress): Promise<Stored<"packet"> | undefined> => {
    const value = { ...before.value, progress };
    const put: Put = { kind: "packet", id: toSend.id, value, etag: before.etag };
    return (await store.write([put])) === "written" ? { value, etag: before.etag + 1 } : undefined;
  };
  const first = claim(stored.value.progress, lease());
  let held = await take(stored, first);
  if (!held) return "conflict";

  const place = await boarding.acquire();
  let outcome: Outcome;
  let began: number;
  try {
    // Waiting for the connector's rate has used the time up. Nothing was begun, and a lease left standing would say so.
    if (!maySend()) return (await take(held, stored.value.progress)) ? 0 : "conflict";
    // Waiting for the connector's rate has used the lease up: it is taken anew, unless another has it now.
    if (first.lease.until - clock.now() < times.sendMs) held = await take(held, { ...first, lease: lease() });
    if (!held) return "conflict";
    began = clock.now();
    outcome = await place.send(toSend);
  } finally {
    place.release();
  }
  const inDoubt = stored.value.progress.lease !== undefined;
  return settle(engine, held, shadow, { ...carrier, outcome, roundTripMs: clock.now() - began, health, inDoubt });
}

type Lease = NonNullable<Progress["lease"]>;

function claim(progress: Progress, lease: Lease): Progress & { readonly lease: Lease } {
  const { nextTryAt: _n, reason: _r, behind: _b, unsent: _u, ...rest } = progress;
  return { ...rest, place: "lane", tries: progress.tries + 1, round: progress.round + 1, lease };
}
