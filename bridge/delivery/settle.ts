import type { Engine } from "../engine.ts";
import { type Connector, connectorId } from "../model/connector.ts";
import { type Facts, isClosed } from "../model/ledger-entry.ts";
import { type Outcome, retryCodeOf } from "../model/outcome.ts";
import type { PacketRecord, Progress } from "../model/packet-record.ts";
import { stopReason } from "../model/target-health.ts";
import { messageOf, putOf } from "../recording/enqueue.ts";
import { transitionPacket } from "../recording/transitions.ts";
import { writeTransition } from "../recording/write-transition.ts";
import { isDown, recordFailure, recordSuccess } from "./circuit-breaker.ts";
import { conflict, delayFor, done, type PacketResult, parked } from "./packet-result.ts";
import {
  type LoadedPacket,
  putsAfterDelivery,
  putsAfterDoubt,
  putsAfterNothingSent,
  putsAfterRefusal,
  readTargetState,
  type Sending,
} from "./shadow-store.ts";

/** One finished attempt to send a packet. */
export interface Attempt extends Sending {
  readonly connector: Connector;
  /** The lease's owner. */
  readonly owner: string;
  readonly outcome: Outcome;
  readonly roundTripMs: number;
  /** True if an earlier attempt was interrupted and may have landed. */
  readonly inDoubt: boolean;
}

/** Reason for holding a packet. */
interface HoldReason {
  /** Code in the ledger and the log. */
  readonly code: "refused" | "unknown" | "expired" | "incomplete" | "tie" | "late";
  /** Text shown to the operator. */
  readonly reason: string;
  /** The target's answer. */
  readonly answer?: string | undefined;
}

/**
 * Records the outcome of an attempt: status, ledger entry and shadow in one transaction.
 *
 * If the packet was changed meanwhile, it is reloaded and the outcome is applied to its current record. Nothing is sent
 * again.
 */
export async function settle(engine: Engine, loaded: LoadedPacket, attempt: Attempt): Promise<PacketResult> {
  const { connector, outcome } = attempt;
  const { packet } = loaded.stored.value;
  logOutcome(engine, loaded.stored.value, attempt);
  const health =
    outcome.kind === "retry" && !isFinal(attempt)
      ? await recordFailure(engine, connectorId(connector), packet.lane)
      : loaded.health;
  let { stored, shadow, lane } = loaded;
  for (;;) {
    const result = await settleOnce(engine, { stored, shadow, lane, health }, attempt);
    if (result.kind !== "conflict") {
      if (outcome.kind === "delivered" && loaded.health.strikes.length > 0)
        await recordSuccess(engine, connectorId(connector));
      return result;
    }
    const [current] = await engine.store.read("packet", [packet.id]);
    // Another process may have held the packet after this attempt's lease expired. An operator then decides, and this
    // outcome is only in the log.
    if (!current || isClosed(current.value.progress.status) || current.value.progress.status === "HELD") return done;
    const { lease } = current.value.progress;
    const takenOver = lease !== undefined && lease.owner !== attempt.owner;
    if (takenOver && outcome.kind !== "delivered") {
      return delayFor(Math.min(engine.times.leaseMs, Math.max(0, lease.until - engine.clock.now())));
    }
    stored = current;
    ({ shadow, lane } = await readTargetState(engine, current.value.packet));
  }
}

function logOutcome(engine: Engine, record: PacketRecord, { outcome, roundTripMs }: Attempt): void {
  const { packet, progress } = record;
  engine.log({
    step: outcome.kind,
    packet: packet.id,
    connector: packet.connector,
    tries: progress.tries,
    ms: roundTripMs,
    ...("status" in outcome && outcome.status !== undefined && { http: outcome.status }),
    ...(outcome.kind === "retry" && { why: retryCodeOf(outcome) }),
    ...(outcome.kind === "delivered" && latenessOf(record, engine.clock.now())),
  });
}

/**
 * Returns the time from queuing to delivery, which the consistency window limits, and the time from the event to its
 * delivery. The latter is omitted for replays and replacements, whose events are expected to be old.
 */
function latenessOf({ packet, progress }: PacketRecord, now: number): { lagMs: number; ageMs?: number } {
  const lagMs = now - progress.queuedAt;
  return packet.replayOf || packet.replaces ? { lagMs } : { lagMs, ageMs: Math.max(0, now - packet.version.time) };
}

/**
 * Returns true if a failed send may have landed at a target that cannot detect duplicates, so an operator must decide.
 */
function isFinal({ outcome, connector }: Attempt): boolean {
  return outcome.kind === "retry" && outcome.mayHaveLanded && !connector.idempotent;
}

function mayHaveLanded({ outcome, inDoubt }: Attempt): boolean {
  return inDoubt || outcome.kind === "unknown" || (outcome.kind === "retry" && outcome.mayHaveLanded);
}

/** Returns the facts every ledger entry about an attempt has. */
function factsOf({ stored }: LoadedPacket, { outcome, roundTripMs, cleared }: Attempt): Facts {
  return {
    tries: stored.value.progress.tries,
    ms: roundTripMs,
    ...("status" in outcome && outcome.status !== undefined && { http: outcome.status }),
    ...(cleared && { cleared: [...cleared] }),
  };
}

async function settleOnce(engine: Engine, loaded: LoadedPacket, attempt: Attempt): Promise<PacketResult> {
  const { outcome, roundTripMs } = attempt;
  switch (outcome.kind) {
    case "delivered": {
      const { kind: _, ...target } = outcome;
      const delivery = { ...target, ms: roundTripMs } as NonNullable<Progress["delivery"]>;
      const written = await writeTransition(engine, loaded.stored, {
        status: "SENT",
        // The address at the target is omitted because it may contain the entity.
        facts: factsOf(loaded, attempt),
        progress: { delivery },
        puts: putsAfterDelivery(engine, loaded, attempt),
      });
      return written === "written" ? done : conflict;
    }
    case "refused":
      return hold(engine, loaded, attempt, { code: "refused", reason: outcome.reason, answer: outcome.answer });
    case "unknown":
      return hold(engine, loaded, attempt, { code: "unknown", reason: outcome.reason });
    case "retry":
      return settleFailure(engine, loaded, attempt, outcome);
  }
}

async function hold(
  engine: Engine,
  loaded: LoadedPacket,
  attempt: Attempt,
  { code, reason, answer }: HoldReason,
): Promise<PacketResult> {
  const { packet } = loaded.stored.value;
  const written = await writeTransition(engine, loaded.stored, {
    status: "HELD",
    facts: { ...factsOf(loaded, attempt), reason: code },
    progress: { ...(answer !== undefined && { answer }), reason },
    puts: mayHaveLanded(attempt) ? putsAfterDoubt(engine, loaded) : putsAfterRefusal(loaded),
  });
  if (written === "conflict") return conflict;
  engine.log({ step: "held", packet: packet.id, connector: packet.connector, why: code });
  return done;
}

/** Holds a packet that was not sent. The shadow stays as it is. A late packet gives up its place in its lane. */
export async function holdUnsent(
  engine: Engine,
  loaded: LoadedPacket,
  { code, reason }: HoldReason,
): Promise<PacketResult> {
  const { packet } = loaded.stored.value;
  const written = await writeTransition(engine, loaded.stored, {
    status: "HELD",
    facts: { reason: code },
    progress: { reason, ...(code === "late" && { late: true }) },
  });
  if (written === "conflict") return conflict;
  engine.log({ step: "held", packet: packet.id, connector: packet.connector, why: code });
  return done;
}

/** Decides the consequence of a failed send: a delay for the lane, a move to the outbox, or a hold. */
async function settleFailure(
  engine: Engine,
  loaded: LoadedPacket,
  attempt: Attempt,
  outcome: Extract<Outcome, { kind: "retry" }>,
): Promise<PacketResult> {
  const { clock, times } = engine;
  const { stored, health } = loaded;
  const { progress } = stored.value;
  const { reason } = outcome;
  if (isFinal(attempt)) {
    return hold(engine, loaded, attempt, {
      code: "unknown",
      reason: `${reason}; the packet may have reached the target, which cannot detect duplicates`,
    });
  }

  const inDoubt = mayHaveLanded(attempt);
  if (isDown(health)) return park(engine, loaded, reason, inDoubt);
  const failingSince = progress.failingSince ?? clock.now();
  if (clock.now() - failingSince >= times.giveUpMs) {
    return hold(engine, loaded, attempt, {
      code: "expired",
      reason: `it failed for ${Math.round(times.giveUpMs / 3_600_000)} h while its target was up: ${reason}`,
    });
  }
  if (progress.round > times.backoffMs.length) {
    const failing = { ...stored, value: { ...stored.value, progress: { ...progress, failingSince } } };
    return park(engine, { ...loaded, stored: failing }, reason, inDoubt);
  }

  const backoffMs = times.backoffMs[progress.round - 1] as number;
  const jitteredMs = backoffMs * (0.8 + 0.4 * engine.random.fraction());
  const waitMs = Math.ceil(Math.max(jitteredMs, Math.min(times.retryAfterMaxMs, outcome.afterMs ?? 0)));
  const written = await writeTransition(engine, stored, {
    status: "RETRY",
    facts: { ...factsOf(loaded, attempt), waitMs },
    progress: { reason, failingSince, nextTryAt: clock.now() + waitMs },
    puts: inDoubt ? putsAfterDoubt(engine, loaded) : [],
  });
  return written === "written" ? delayFor(waitMs) : conflict;
}

/**
 * Closes a packet with nothing left to send. The shadow still takes the packet's version, so no older value is sent
 * later.
 */
export async function settleUnsent(
  engine: Engine,
  loaded: LoadedPacket,
  status: "UNCHANGED" | "SUPERSEDED",
): Promise<PacketResult> {
  const { packet } = loaded.stored.value;
  const unchanged = packet.echo ? "the change came from the target itself" : "the target already holds it";
  const reason = status === "UNCHANGED" ? unchanged : "the target holds something newer";
  const written = await writeTransition(engine, loaded.stored, {
    status,
    facts: { reason },
    progress: { reason },
    puts: status === "UNCHANGED" ? putsAfterDelivery(engine, loaded) : putsAfterNothingSent(engine, loaded),
  });
  if (written === "conflict") return conflict;
  engine.log({ step: status.toLowerCase(), packet: packet.id, connector: packet.connector });
  return done;
}

/** Moves a packet from its lane to the outbox, where it waits until its target is up. */
export async function park(
  engine: Engine,
  loaded: LoadedPacket,
  reason: string,
  mayHaveLanded: boolean,
): Promise<PacketResult> {
  const { clock, times } = engine;
  const { stored, health } = loaded;
  const { packet } = stored.value;
  const { failingSince, ...rest } = stored.value.progress;
  const down = isDown(health);
  // Only the time during which the target is up and may be sent to counts toward `giveUpMs`.
  const isCalled = !down && stopReason(health) === undefined;
  const progress: Progress = isCalled && failingSince !== undefined ? { ...rest, failingSince } : rest;
  const nextTryAt = down
    ? (health.probedAt ?? clock.now()) + times.probeMs
    : (health.redriveAt ?? clock.now() + times.redriveMs);
  const next = transitionPacket({ ...stored.value, progress }, clock.now(), {
    status: "QUEUED",
    facts: { place: "outbox", tries: progress.tries },
    progress: { place: "outbox", puts: progress.puts + 1, putAt: clock.now(), round: 0, reason, nextTryAt },
  });
  const puts = mayHaveLanded ? putsAfterDoubt(engine, loaded) : [];
  if ((await engine.store.write([putOf(next, stored), ...puts], [next.entry])) === "conflict") return conflict;
  engine.log({
    step: "parked",
    packet: packet.id,
    connector: packet.connector,
    why: down ? "target-down" : health.paused ? "paused" : health.moved ? "address-changed" : "failing",
  });
  await engine.queue.send(`outbox:${packet.connector}`, [messageOf(next.record)]);
  return parked;
}
