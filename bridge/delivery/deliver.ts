import type { Engine } from "../engine.ts";
import { type Connector, connectorId } from "../model/connector.ts";
import { isClosed } from "../model/ledger-entry.ts";
import { type Outcome, unknown } from "../model/outcome.ts";
import { type Packet, plainFacts } from "../model/packet.ts";
import type { Progress } from "../model/packet-record.ts";
import { type Health, stopReason } from "../model/target-health.ts";
import { errorName } from "../observability/log.ts";
import { ack, delay, type MessageDisposition } from "../ports/message-result.ts";
import type { Message } from "../ports/queue.ts";
import type { Put, Stored } from "../ports/store.ts";
import { replacePacket } from "../recording/replace-packet.ts";
import { createPacketRecord } from "../recording/transitions.ts";
import { recordKey } from "../values/record-key.ts";
import { isAhead } from "../values/stored-time.ts";
import { type AcquirePermit, type CallBatcher, createCallBatcher } from "./call-batcher.ts";
import { healthOf, isDown } from "./circuit-breaker.ts";
import { readNewerValues } from "./newer-values.ts";
import { noticeOrder } from "./order-notice.ts";
import { conflict, delayFor, done, type PacketResult } from "./packet-result.ts";
import { holdUnsent, park, settle, settleUnsent } from "./settle.ts";
import { emptyShadow, type Reconciliation, reconcile } from "./shadow.ts";
import {
  type LoadedPacket,
  readTargetState,
  shadowKeyOf,
  type TargetState,
  withCurrentShadow,
} from "./shadow-store.ts";
import { awaitTurn, type EarlierEvents, readEarlierEvents } from "./strict-turn.ts";
import { rememberAddress } from "./target-address.ts";

/** One connector at work in one process. */
export interface ConnectorWorker {
  readonly connector: Connector;
  /** Beginning of the owners of the leases; unique per process. */
  readonly owner: string;
  readonly acquire: AcquirePermit;
  /** Latest time at which a send may start, in ms since the epoch: for Lambda, the deadline minus a margin. */
  readonly lastStart?: number;
}

/** Records for one batch, loaded in one read, plus the batcher its lanes share. */
interface BatchContext {
  readonly engine: Engine;
  readonly worker: ConnectorWorker;
  readonly batcher: CallBatcher;
  readonly refs: ReadonlyMap<Message, MessageRef>;
  readonly packets: ReadonlyMap<string, Stored<"packet">>;
  /** State of each record, by shadow, or of each strict lane, by lane. */
  readonly states: ReadonlyMap<string, TargetState>;
  /** Events that come before the packets of a strict connector; undefined for others. */
  readonly earlier: EarlierEvents | undefined;
  readonly health: Health;
  /**
   * Latest time at which a send may start, in ms since the epoch: the worker's limit, or `sendMs` before the queue may
   * give the messages to another worker, whichever is earlier.
   */
  readonly lastStart: number;
}

/** The batch context with this lane's send guard. */
interface LaneContext extends BatchContext {
  /** Returns true if a send may still start. Called before each send. */
  readonly maySend: () => boolean;
}

/** The lane's context with the owner of the leases that the delivery of one message takes. */
interface MessageContext extends LaneContext {
  readonly owner: string;
}

/**
 * Processes a batch of messages from a connector's lane queue: each packet is delivered, delayed, parked or held.
 *
 * Lanes run in parallel; the messages of one lane run in order. A message that must wait delays those behind it in its
 * lane and no others. If the connector has `sendBatch`, lanes share calls.
 *
 * After a crash at any point, the packet is attempted again with the same idempotency key, with two exceptions: if the
 * target cannot detect duplicates, the packet is held; if another packet has changed the record meanwhile, it is sent
 * under a new key.
 */
export async function deliver(
  engine: Engine,
  worker: ConnectorWorker,
  messages: readonly Message[],
): Promise<MessageDisposition[]> {
  const lanes = Map.groupBy(messages, (message) => message.group);
  const batch = await loadBatch(engine, worker, messages, lanes.size);
  const dispositions = await Promise.all(
    [...lanes.values()].map((lane) => deliverLane(batch, lane).finally(batch.batcher.laneDone)),
  );
  return dispositions.flat();
}

async function loadBatch(
  engine: Engine,
  worker: ConnectorWorker,
  messages: readonly Message[],
  lanes: number,
): Promise<BatchContext> {
  const { clock, times } = engine;
  const { connector, lastStart = Number.POSITIVE_INFINITY } = worker;
  const lastStartByQueue = clock.now() + times.visibilityMs - times.sendMs;
  const refs = new Map(
    messages.flatMap((message) => {
      const ref = parseMessageRef(message.body);
      return ref ? [[message, ref]] : [];
    }),
  );
  const ids = [...new Set([...refs.values()].map(({ id }) => id))];
  const id = connectorId(connector);
  const [packets, states, earlier, [health]] = await Promise.all([
    engine.store.read("packet", ids),
    readStates(engine, connector, [...refs]),
    connector.order === "strict" ? readEarlierEvents(engine, id) : undefined,
    engine.store.read("health", [id]),
  ]);
  const known = health?.value ?? healthOf(clock.now());
  return {
    engine,
    worker,
    batcher: createCallBatcher(engine, connector, worker.acquire, lanes),
    refs,
    packets: new Map(packets.flatMap((stored) => (stored ? [[stored.value.packet.id, stored]] : []))),
    states,
    earlier,
    health: await rememberAddress(engine, connector, known),
    lastStart: Math.min(lastStart, lastStartByQueue),
  };
}

/** Reads, in one request, the state of all records of a batch, or of all strict lanes. */
async function readStates(
  { store }: Engine,
  { order }: Connector,
  refs: readonly (readonly [Message, MessageRef])[],
): Promise<Map<string, TargetState>> {
  const ids = [...new Set(refs.map(([{ group }, { shadow }]) => (order === "strict" ? group : shadow)))];
  if (order === "strict") {
    const lanes = await store.read("lane", ids);
    return new Map(ids.map((id, i) => [id, { shadow: undefined, lane: lanes[i] }]));
  }
  const shadows = await store.read("shadow", ids);
  return new Map(ids.map((id, i) => [id, { shadow: shadows[i], lane: undefined }]));
}

/** Ids in a message's body. Everything else is read from the table's copy. */
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

async function deliverLane(batch: BatchContext, messages: readonly Message[]): Promise<MessageDisposition[]> {
  const { engine, worker } = batch;
  const dispositions: MessageDisposition[] = [];
  // A parked packet's message is redelivered if this process ends before it is acknowledged. A newer packet of the lane
  // that was sent meanwhile would then be followed by the older one, so nothing is sent after a parked packet.
  let someParked = false;
  const lane: LaneContext = { ...batch, maySend: () => !someParked && engine.clock.now() <= batch.lastStart };
  for (const [i, message] of messages.entries()) {
    let result: SettledResult;
    try {
      result = await deliverMessage(lane, message, i === 0);
    } catch (error) {
      engine.log({ step: "deliver-failed", connector: connectorId(worker.connector), error: errorName(error) });
      result = delayFor(engine.times.backoffMs[0] as number);
    }
    if (result.kind === "delay") {
      const { ms } = result;
      return [...dispositions, ...messages.slice(i).map((waiting) => delay(waiting.receipt, ms))];
    }
    if (result.kind === "parked") someParked = true;
    dispositions.push(ack(message.receipt));
  }
  return dispositions;
}

type SettledResult = Exclude<PacketResult, { kind: "conflict" }>;

/** @param isFirst true if nothing in this lane has been written since the batch was loaded, so its shadow is current */
async function deliverMessage(lane: LaneContext, message: Message, isFirst: boolean): Promise<SettledResult> {
  const { engine, worker, health } = lane;
  const ref = lane.refs.get(message);
  let stored = ref && lane.packets.get(ref.id);
  if (!ref || !stored) {
    // A packet is recorded before it is enqueued, so a message without a record did not come from the bridge.
    engine.log({ step: "unknown-message", connector: connectorId(worker.connector), messageId: message.id });
    return done;
  }
  stored = inCurrentForm(engine, stored);
  const { packet } = stored.value;
  const known = isFirst ? lane.states.get(packet.order === "strict" ? packet.lane : packet.shadow) : undefined;
  // A record without a shadow whose key has another spelling needs a read of its own.
  const isComplete = known?.shadow !== undefined || recordKey(packet.entity) === packet.entity;
  let state = known && isComplete ? known : await readTargetState(engine, packet);
  const owner = `${worker.owner}.${engine.random.id()}`;
  for (;;) {
    const result = await processPacket({ ...lane, owner }, { stored, ...state, health }, message.receiveCount);
    if (result.kind !== "conflict") return result;
    [stored] = await engine.store.read("packet", [ref.id]);
    if (!stored) return done;
    stored = withoutLeaseOf(owner, inCurrentForm(engine, stored));
    state = await readTargetState(engine, stored.value.packet);
  }
}

function inCurrentForm(engine: Engine, stored: Stored<"packet">): Stored<"packet"> {
  const packet = withCurrentShadow(engine, stored.value.packet);
  return packet === stored.value.packet ? stored : { ...stored, value: { ...stored.value, packet } };
}

/**
 * Removes the lease of an owner that has not sent anything, from a packet that was read after a conflict: the claim was
 * written although its answer was a conflict.
 */
function withoutLeaseOf(owner: string, stored: Stored<"packet">): Stored<"packet"> {
  const { lease, ...progress } = stored.value.progress;
  return lease?.owner === owner ? { ...stored, value: { ...stored.value, progress } } : stored;
}

async function processPacket(lane: MessageContext, loaded: LoadedPacket, receiveCount: number): Promise<PacketResult> {
  const { engine, worker } = lane;
  const { stored, shadow, health } = loaded;
  const { packet, progress } = stored.value;
  const { clock } = engine;
  if (isClosed(progress.status) || progress.status === "HELD") return done;
  const { lease } = progress;
  if (lease && isAhead(lease.until, clock.now(), engine.times.leaseMs)) return delayFor(lease.until - clock.now());
  // An expired lease means that its owner ended without releasing it, perhaps after the target had accepted the packet.
  const inDoubt = progress.lease !== undefined;

  if (inDoubt && !worker.connector.idempotent) {
    const outcome = unknown(
      "an attempt was interrupted; the packet may have reached the target, which cannot detect duplicates",
    );
    const { connector } = worker;
    const { action } = packet;
    return settle(engine, loaded, { connector, owner: lane.owner, outcome, roundTripMs: 0, inDoubt, action });
  }
  if (inDoubt && packet.order === "latest" && progress.lease?.shadow !== (shadow?.etag ?? 0)) {
    return resendWithNewKey(engine, stored);
  }
  if (packet.echo && !packet.force) return settleEcho(engine, loaded);
  let place: number | undefined;
  if (packet.order === "strict") {
    const turn = await awaitTurn(engine, { connector: worker.connector, loaded, earlier: lane.earlier, receiveCount });
    if (turn.kind !== "turn") return turn;
    ({ place } = turn);
  }
  const stopped = stopReason(health);
  if (stopped !== undefined) return park(engine, loaded, stopped, inDoubt);
  if (isDown(health)) return park(engine, loaded, "the target is down", inDoubt);
  if (place !== undefined) return claimAndSend(lane, loaded, { packet, place });

  await noticeOrder(engine, loaded);
  return sendWhatIsLeft(lane, loaded);
}

/** Sends the part of a packet that the target does not hold yet, or closes or holds the packet. */
async function sendWhatIsLeft(lane: MessageContext, loaded: LoadedPacket): Promise<PacketResult> {
  const { engine } = lane;
  const { packet } = loaded.stored.value;
  const left = reconcileWith(engine, loaded);
  switch (left.kind) {
    case "send": {
      const { kind: _, ...changes } = left;
      return claimAndSend(lane, loaded, { packet: { ...packet, ...changes } });
    }
    case "blend": {
      const newer = await readNewerValues(engine, left.newer);
      if (!newer.ok) return holdUnsent(engine, loaded, { code: "incomplete", reason: newer.reason });
      return claimAndSend(lane, loaded, { packet: { ...packet, fields: { ...packet.fields, ...newer.fields } } });
    }
    case "tie":
      return holdUnsent(engine, loaded, { code: "tie", reason: tieReason(packet, left) });
    default:
      return settleUnsent(engine, loaded, left.kind);
  }
}

function tieReason(packet: Packet, { names, by }: Extract<Reconciliation, { kind: "tie" }>): string {
  const fields = names.join(", ");
  const remedy = `let one sheet write ${fields}, then release, edit or discard this packet`;
  if (by === undefined) return `another packet of the same event deleted the record; ${remedy}`;
  if (packet.action === "delete")
    return `${by} of the same event sent ${fields}, which this packet would delete; ${remedy}`;
  return `${by} of the same event sent another value of ${fields}; ${remedy}`;
}

function reconcileWith(engine: Engine, { stored, shadow, health }: LoadedPacket): Reconciliation {
  return reconcile(stored.value.packet, shadow?.value ?? emptyShadow, shadowKeyOf(engine, health));
}

/**
 * Replaces a packet whose attempt was interrupted, because another packet has since changed the record's shadow.
 *
 * If the other packet was older, and the interrupted attempt landed before it, the target holds the older value and
 * would ignore a repeated idempotency key. The replacement has a new key.
 */
async function resendWithNewKey(engine: Engine, stored: Stored<"packet">): Promise<PacketResult> {
  const { packet } = stored.value;
  const result = await replacePacket(engine, stored, {
    shape: packet,
    act: { why: "an attempt was interrupted, and another packet has since been sent for the same record" },
    job: undefined,
    // The other facts are in the replaced packet's first entry, as a connector's function may not read the ledger.
    createRecord: (child) =>
      createPacketRecord(child, engine.clock.now(), {
        status: "QUEUED",
        facts: plainFacts(child, engine.bridgeKey),
        progress: { unsent: true },
      }),
  });
  return result.kind === "done" ? done : conflict;
}

/** Closes a packet that repeats a change made by the target itself, without sending it. */
function settleEcho(engine: Engine, loaded: LoadedPacket): Promise<PacketResult> {
  const { packet } = loaded.stored.value;
  const isSuperseded = packet.order === "latest" && reconcileWith(engine, loaded).kind === "SUPERSEDED";
  return settleUnsent(engine, loaded, isSuperseded ? "SUPERSEDED" : "UNCHANGED");
}

interface PacketToSend {
  /** The packet with the fields that are left to send. */
  readonly packet: Packet;
  /** Place in a strict lane; see `Sending`. */
  readonly place?: number;
}

/** Leases the packet, sends its remaining fields and records the outcome. */
async function claimAndSend(
  lane: MessageContext,
  loaded: LoadedPacket,
  { packet: toSend, place }: PacketToSend,
): Promise<PacketResult> {
  const { engine, worker, owner, batcher, maySend } = lane;
  const { stored, shadow } = loaded;
  const { clock, times } = engine;
  if (!maySend()) return delayFor(0);
  const newLease = () => ({
    owner,
    until: clock.now() + times.leaseMs,
    ...(toSend.order === "latest" && { shadow: shadow?.etag ?? 0 }),
    ...(place !== undefined && { place }),
  });
  const claimed = claim(stored.value.progress, newLease());
  let leased = await writeClaim(engine, stored, claimed);
  if (!leased) return conflict;

  const slot = await batcher.acquire();
  let outcome: Outcome;
  let startedAt: number;
  try {
    // Waiting for the rate limit used up the time for sending. Nothing was sent, so the lease is released; an expired
    // lease would mean that an attempt may have begun.
    if (!maySend()) return (await writeProgress(engine, leased, stored.value.progress)) ? delayFor(0) : conflict;
    // Waiting used up too much of the lease. It is renewed unless another worker has taken the packet.
    if (claimed.lease.until - clock.now() < times.sendMs) {
      leased = await writeProgress(engine, leased, { ...claimed, lease: newLease() });
    }
    if (!leased) return conflict;
    startedAt = clock.now();
    outcome = await slot.send(toSend);
  } finally {
    slot.release();
  }
  const { connector } = worker;
  const roundTripMs = clock.now() - startedAt;
  const inDoubt = stored.value.progress.lease !== undefined;
  const isClearing = toSend.action !== stored.value.packet.action;
  const sending = {
    action: toSend.action,
    ...(isClearing && { cleared: Object.keys(toSend.fields) }),
    ...(place !== undefined && { place }),
  };
  return settle(engine, { ...loaded, stored: leased }, { connector, owner, outcome, roundTripMs, inDoubt, ...sending });
}

/** Writes a packet's progress without a ledger entry. Returns undefined if the packet was changed since it was read. */
async function writeProgress(
  engine: Engine,
  { value: record, etag }: Stored<"packet">,
  progress: Progress,
): Promise<Stored<"packet"> | undefined> {
  const value = { ...record, progress };
  const put: Put = { kind: "packet", id: record.packet.id, value, etag };
  return (await engine.store.write([put])) === "written" ? { value, etag: etag + 1 } : undefined;
}

/**
 * Writes a claim. If the store fails, the claim may have been written nevertheless, and would later look as if a send had
 * begun; so the packet is read once more.
 *
 * @throws the store's error if the claim was not written, or cannot be read either
 */
async function writeClaim(
  engine: Engine,
  stored: Stored<"packet">,
  claimed: Progress & { readonly lease: Lease },
): Promise<Stored<"packet"> | undefined> {
  try {
    return await writeProgress(engine, stored, claimed);
  } catch (error) {
    const [current] = await engine.store.read("packet", [stored.value.packet.id]);
    const isOwn = current?.etag === stored.etag + 1 && current.value.progress.lease?.owner === claimed.lease.owner;
    if (!isOwn) throw error;
    return { value: { ...stored.value, progress: claimed }, etag: current.etag };
  }
}

type Lease = NonNullable<Progress["lease"]>;

function claim(progress: Progress, lease: Lease): Progress & { readonly lease: Lease } {
  const { nextTryAt: _n, reason: _r, behind: _b, unsent: _u, ...rest } = progress;
  return { ...rest, place: "lane", tries: progress.tries + 1, round: progress.round + 1, lease };
}
