import type { Engine } from "../engine.ts";
import { type Connector, connectorId } from "../model/connector.ts";
import { type Facts, isClosed } from "../model/ledger-entry.ts";
import { type Outcome, retryCodeOf } from "../model/outcome.ts";
import type { PacketRecord, Progress } from "../model/packet-record.ts";
import type { Health } from "../model/target-health.ts";
import type { Stored } from "../ports/store.ts";
import { messageOf, putOf } from "../recording/enqueue.ts";
import { transitionPacket } from "../recording/transitions.ts";
import { writeTransition } from "../recording/write-transition.ts";
import { isDown, recordFailure, recordSuccess } from "./circuit-breaker.ts";
import { doubted, type KnownShadow, known, readShadow, refusedBy, superseded } from "./shadow-store.ts";

/**
 * What one look at a packet came to: done with its message, the same because it waits in the outbox, a wait in ms for its
 * lane, or read it again.
 */
export type PacketResult = "done" | "parked" | "conflict" | number;

/** One finished try. */
export interface Attempt {
  readonly connector: Connector;
  readonly owner: string;
  readonly outcome: Outcome;
  readonly roundTripMs: number;
  readonly health: Health;
  /** An earlier try broke off, and may have landed whatever this one came to. */
  readonly inDoubt: boolean;
}

/**
 * Writes down what a try came to: status, ledger entry and shadow in one transaction.
 *
 * Where something else was written meanwhile, it is read again and settled on top; nothing is sent again.
 */
export async function settle(
  engine: Engine,
  stored: Stored<"packet">,
  shadow: KnownShadow,
  tried: Attempt,
): Promise<PacketResult> {
  const { connector, outcome, roundTripMs } = tried;
  const { packet, progress } = stored.value;
  const { id } = packet;
  engine.log({
    step: outcome.kind,
    packet: id,
    connector: packet.connector,
    tries: progress.tries,
    ms: roundTripMs,
    ...("status" in outcome && outcome.status !== undefined && { http: outcome.status }),
    ...(outcome.kind === "retry" && { why: retryCodeOf(outcome) }),
    ...(outcome.kind === "delivered" && latenessOf(stored.value, engine.clock.now())),
  });
  const health =
    outcome.kind === "retry" && !isFinal(tried)
      ? await recordFailure(engine, connectorId(connector), stored.value.packet.lane)
      : tried.health;
  for (;;) {
    const settled = await settleOnce(engine, stored, shadow, { ...tried, health });
    if (settled !== "conflict") {
      if (outcome.kind === "delivered" && tried.health.strikes.length > 0)
        await recordSuccess(engine, connectorId(connector));
      return settled;
    }
    const [now] = await engine.store.read("packet", [id]);
    // Held meanwhile, by another who found this try's lease run out: a person decides, and sees this answer in the log.
    if (!now || isClosed(now.value.progress.status) || now.value.progress.status === "HELD") return "done";
    const { lease } = now.value.progress;
    const takenOver = lease !== undefined && lease.owner !== tried.owner;
    if (takenOver && outcome.kind !== "delivered") return Math.max(0, lease.until - engine.clock.now());
    stored = now;
    shadow = await readShadow(engine, now.value.packet);
  }
}

/**
 * How late a delivery is: since it was queued, which its window limits; and since its event's own time, which for a
 * replay would say nothing.
 */
function latenessOf({ packet, progress }: PacketRecord, now: number): { lagMs: number; ageMs?: number } {
  const lagMs = now - progress.queuedAt;
  return packet.replayOf || packet.replaces ? { lagMs } : { lagMs, ageMs: Math.max(0, now - packet.version.time) };
}

/** A try that failed where it may have landed, at a target that would not notice a repeat: only a person can tell. */
function isFinal({ outcome, connector }: Attempt): boolean {
  return outcome.kind === "retry" && outcome.mayHaveLanded && !connector.idempotent;
}

async function settleOnce(
  engine: Engine,
  stored: Stored<"packet">,
  shadow: KnownShadow,
  tried: Attempt,
): Promise<PacketResult> {
  const { packet, progress } = stored.value;
  const { outcome, roundTripMs, health } = tried;
  const { clock, times } = engine;
  const facts: Facts = {
    tries: progress.tries,
    ms: roundTripMs,
    ...("status" in outcome && outcome.status !== undefined && { http: outcome.status }),
  };
  const mayHaveLanded =
    tried.inDoubt || outcome.kind === "unknown" || (outcome.kind === "retry" && outcome.mayHaveLanded);
  const afterwards = mayHaveLanded ? doubted(engine, packet, shadow, health) : refusedBy(packet, shadow);
  const hold = async (why: string, text: string, change: Partial<Progress> = {}) => {
    const held = { ...change, reason: text };
    const written = await writeTransition(engine, stored, "HELD", { ...facts, reason: why }, held, afterwards);
    if (written === "done") engine.log({ step: "held", packet: packet.id, connector: packet.connector, why });
    return written;
  };

  switch (outcome.kind) {
    case "delivered": {
      const { kind: _, ...target } = outcome;
      const delivery = { ...target, ms: roundTripMs } as NonNullable<Progress["delivery"]>;
      // Where it landed stays out of the ledger: an address may name the entity.
      return writeTransition(engine, stored, "SENT", facts, { delivery }, known(engine, packet, shadow, health));
    }
    case "refused":
      return hold("refused", outcome.reason, outcome.answer === undefined ? {} : { answer: outcome.answer });
    case "unknown":
      return hold("unknown", outcome.reason);
    case "retry":
      break;
  }
  if (isFinal(tried))
    return hold("unknown", `${outcome.reason}; it may have landed, and the target cannot tell a repeat`);

  const failingSince = progress.failingSince ?? clock.now();
  const failing = { ...stored, value: { ...stored.value, progress: { ...progress, failingSince } } };
  if (isDown(health)) return park(engine, stored, shadow, health, outcome.reason, mayHaveLanded);
  if (clock.now() - failingSince >= times.giveUpMs) {
    return hold(
      "expired",
      `it failed for ${Math.round(times.giveUpMs / 3_600_000)} h while its target was up: ${outcome.reason}`,
    );
  }
  if (progress.round > times.backoffMs.length)
    return park(engine, failing, shadow, health, outcome.reason, mayHaveLanded);

  const base = times.backoffMs[progress.round - 1] as number;
  const jittered = base * (0.8 + 0.4 * engine.random.fraction());
  const waitMs = Math.ceil(Math.max(jittered, Math.min(times.retryAfterMaxMs, outcome.afterMs ?? 0)));
  const change = { reason: outcome.reason, failingSince, nextTryAt: clock.now() + waitMs };
  const puts = mayHaveLanded ? afterwards : [];
  const written = await writeTransition(engine, stored, "RETRY", { ...facts, waitMs }, change, puts);
  return written === "done" ? waitMs : written;
}

/** Nothing was left to send. The shadow still learns the version, so that what is older stays older. */
export async function settleUnsent(
  engine: Engine,
  stored: Stored<"packet">,
  shadow: KnownShadow,
  health: Health,
  status: "UNCHANGED" | "SUPERSEDED",
): Promise<PacketResult> {
  const { packet } = stored.value;
  const held = packet.echo ? "the change came from the target itself" : "the target already holds it";
  const reason = status === "UNCHANGED" ? held : "the target holds something newer";
  const puts =
    status === "UNCHANGED" ? known(engine, packet, shadow, health) : superseded(engine, packet, shadow, health);
  const written = await writeTransition(engine, stored, status, { reason }, { reason }, puts);
  if (written === "done") {
    engine.log({ step: status.toLowerCase(), packet: packet.id, connector: packet.connector });
  }
  return written;
}

/** Takes a packet out of its lane, to wait in the outbox until its target is awake. */
export async function park(
  engine: Engine,
  stored: Stored<"packet">,
  shadow: KnownShadow,
  health: Health,
  reason: string,
  mayHaveLanded: boolean,
): Promise<PacketResult> {
  const { clock, times } = engine;
  const { failingSince, ...rest } = stored.value.progress;
  const down = isDown(health);
  // The day a packet may fail is counted only while its target is up and asked.
  const asked = !down && !health.paused;
  const progress: Progress = asked && failingSince !== undefined ? { ...rest, failingSince } : rest;
  const nextTryAt = down
    ? (health.probedAt ?? clock.now()) + times.probeMs
    : (health.redriveAt ?? clock.now() + times.redriveMs);
  const next = transitionPacket(
    { ...stored.value, progress },
    clock.now(),
    "QUEUED",
    { place: "outbox", tries: progress.tries },
    { place: "outbox", puts: progress.puts + 1, round: 0, reason, nextTryAt },
  );
  const puts = mayHaveLanded ? doubted(engine, stored.value.packet, shadow, health) : [];
  if ((await engine.store.write([putOf(next, stored), ...puts], [next.entry])) === "conflict") return "conflict";
  const { packet } = stored.value;
  engine.log({
    step: "parked",
    packet: packet.id,
    connector: packet.connector,
    why: down ? "target-down" : health.paused ? "paused" : "failing",
  });
  await engine.queue.send(`outbox:${packet.connector}`, [messageOf(next.record)]);
  return "parked";
}
