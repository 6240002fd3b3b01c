import { changeHealth, isDown } from "../delivery/circuit-breaker.ts";
import { withoutMove } from "../delivery/target-address.ts";
import type { Engine } from "../engine.ts";
import { createAuditEvent } from "../ledger/audit-event.ts";
import { type Connector, connectorId } from "../model/connector.ts";
import type { Health } from "../model/target-health.ts";
import type { JsonObject } from "../values/json.ts";
import { type Actor, auditFacts } from "./operator.ts";

/** Result of pausing or resuming a connector. */
export interface PauseResult {
  /** False if the connector was already in this state. */
  readonly changed: boolean;
  readonly health: Health;
}

/** Pauses sending to a connector's target. Its packets wait in the outbox until it is resumed. */
export function pause(engine: Engine, connector: Connector, by: Actor): Promise<PauseResult> {
  const facts = connectorFacts("pause", connector, by);
  const { actor, why } = facts as { actor: string; why: string };
  return setPaused(engine, connector, { type: "sync.connector.paused", facts }, (health, now) =>
    health.paused ? health : { ...health, paused: true, pause: { actor, why, at: now } },
  );
}

/** Resumes sending to a paused connector's target, starting with its outbox. */
export function resume(engine: Engine, connector: Connector, by: Actor): Promise<PauseResult> {
  const facts = connectorFacts("resume", connector, by);
  return setPaused(engine, connector, { type: "sync.connector.resumed", facts }, (health, now) => {
    if (!health.paused) return health;
    const { pause: _p, redriveGapMs: _g, ...rest } = health;
    return { ...rest, paused: false, redriveAt: now };
  });
}

async function setPaused(
  engine: Engine,
  connector: Connector,
  { type, facts }: { readonly type: string; readonly facts: JsonObject },
  change: (health: Health, now: number) => Health,
): Promise<PauseResult> {
  const id = connectorId(connector);
  let changed = false;
  const observed = (health: Health, now: number): Health => {
    const after = change(health, now);
    changed = after !== health;
    return after;
  };
  const health = await changeHealth(engine, id, observed, createAuditEvent(engine, type, facts));
  if (changed) engine.log({ step: type.slice("sync.".length).replace(".", "-"), connector: id });
  return { changed, health };
}

/** Result of requesting a redrive. */
export type RedriveResult =
  | { readonly kind: "due"; readonly waiting: number }
  | { readonly kind: "empty" }
  | { readonly kind: "refused"; readonly why: string };

/**
 * Requests a redrive of an outbox at the next tick instead of at its scheduled time. The process that maintains the
 * target carries it out, whichever process received the request.
 */
export async function redriveNow(engine: Engine, connector: Connector, by: Actor): Promise<RedriveResult> {
  const id = connectorId(connector);
  const facts = connectorFacts("redrive", connector, by);
  const health = (await engine.store.read("health", [id]))[0]?.value;
  if (health?.paused) return { kind: "refused", why: `${id} is paused; resume it to redrive its outbox` };
  if (health?.moved) {
    return { kind: "refused", why: `${id} has another address than before; confirm it, or forget its shadow` };
  }
  if (health && isDown(health)) {
    return { kind: "refused", why: `${id} is down; probe it, and its outbox is redriven if it responds` };
  }
  const { waiting } = await engine.queue.depth(`outbox:${id}`);
  if (waiting === 0) return { kind: "empty" };
  const audit = createAuditEvent(engine, "sync.outbox.redriven", facts);
  await changeHealth(engine, id, (before, now) => ({ ...before, redriveAt: now }), audit);
  return { kind: "due", waiting };
}

/** Result of confirming an address. */
export type ConfirmResult =
  | { readonly kind: "confirmed"; readonly health: Health }
  | { readonly kind: "refused"; readonly why: string };

/**
 * Confirms that a connector's new address leads to the same system as before. Its shadows stay valid, and sending
 * resumes, outbox first. If it is another system, forget the connector's shadow instead.
 */
export async function confirmAddress(engine: Engine, connector: Connector, by: Actor): Promise<ConfirmResult> {
  const id = connectorId(connector);
  const audit = createAuditEvent(engine, "sync.connector.confirmed", connectorFacts("confirm", connector, by));
  let wasMoved = false;
  const health = await changeHealth(
    engine,
    id,
    (before, now) => {
      wasMoved = before.moved !== undefined;
      return before.moved ? { ...withoutMove(before, now), address: before.moved.to } : before;
    },
    audit,
  );
  if (!wasMoved) return { kind: "refused", why: `no change of the address of ${id} waits for a decision` };
  engine.log({ step: "address-confirmed", connector: id });
  return { kind: "confirmed", health };
}

/** Returns the ledger facts of an operation on a connector. */
function connectorFacts(act: string, connector: Connector, by: Actor): JsonObject {
  return { ...auditFacts(act, by), connector: connectorId(connector) };
}
