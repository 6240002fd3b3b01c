import { changeHealth } from "../delivery/circuit-breaker.ts";
import { forgotten } from "../delivery/shadow.ts";
import { withoutMove } from "../delivery/target-address.ts";
import type { Engine } from "../engine.ts";
import { createAuditEvent } from "../ledger/audit-event.ts";
import { type Connector, connectorId } from "../model/connector.ts";
import { earlierShadowIdOf, shadowIdOf } from "../model/shadow-id.ts";
import type { Health } from "../model/target-health.ts";

/**
 * Forgets the shadow of one entity, or of all entities. The next packets are sent with all their fields, even if they
 * seem to change nothing. Field versions are kept, so no field returns to an older value.
 *
 * Forgetting all entities also accepts a changed address of the connector, and sending resumes.
 *
 * @returns true if there was a shadow to forget
 */
export async function forget(engine: Engine, connector: Connector, actor: string, entity?: string): Promise<boolean> {
  const id = connectorId(connector);
  if (entity !== undefined) return forgetEntity(engine, connector, actor, entity);
  await changeHealth(
    engine,
    id,
    withoutShadows,
    createAuditEvent(engine, "sync.shadow.forgotten", { connector: id, actor }),
  );
  return true;
}

function withoutShadows(health: Health, now: number): Health {
  const shadowEpoch = (health.shadowEpoch ?? 0) + 1;
  if (health.moved) return { ...withoutMove(health, now), address: health.moved.to, shadowEpoch };
  // The next delivery remembers the address that the configuration has then.
  const { address: _, ...rest } = health;
  return { ...rest, shadowEpoch };
}

async function forgetEntity(engine: Engine, target: Connector, actor: string, entity: string): Promise<boolean> {
  const connector = connectorId(target);
  const id = shadowIdOf(target, entity, engine.bridgeKey);
  const earlier = earlierShadowIdOf(target, entity, engine.bridgeKey);
  for (;;) {
    const [stored, before] = await engine.store.read("shadow", earlier === undefined ? [id] : [id, earlier]);
    const known = stored ?? before;
    if (!known) return false;
    const put = { kind: "shadow", id, value: forgotten(known.value), etag: stored?.etag ?? 0 } as const;
    const audit = createAuditEvent(engine, "sync.shadow.forgotten", { connector, shadow: id, actor });
    if ((await engine.store.write([put, audit.put], [audit.entry])) === "written") return true;
  }
}
