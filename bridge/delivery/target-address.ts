// Notices that a connector sends to another address than the one its shadows were learned from.
import type { Engine } from "../engine.ts";
import { createAuditEvent } from "../ledger/audit-event.ts";
import { type Connector, connectorId } from "../model/connector.ts";
import { addressOf } from "../model/connector-address.ts";
import type { Health } from "../model/target-health.ts";
import { canonicalJson } from "../values/canonical-json.ts";
import { keyedHash } from "../values/ids.ts";
import { changeHealth } from "./circuit-breaker.ts";
import { configOf } from "./connector-context.ts";

/** Age at which a noticed change is withdrawn if this process has the known address. During a rollout, both are used. */
const rolloutMs = 120_000;

const hashes = new WeakMap<
  Connector,
  { readonly config: unknown; readonly key: unknown; readonly hash: string | undefined }
>();

/** Returns the keyed hash of a connector's address, or `undefined` if its configuration is invalid or names no place. */
function addressHashOf(engine: Engine, connector: Connector): string | undefined {
  const config = configOf(engine, connector);
  if (!config.success) return undefined;
  const known = hashes.get(connector);
  if (known && known.config === config.data && known.key === engine.bridgeKey) return known.hash;
  const address = addressOf(connector, config.data);
  const isKnown = !Array.isArray(address) || address.length > 0;
  const id = connectorId(connector);
  const hash = isKnown ? keyedHash(engine.bridgeKey, "address", id, canonicalJson(address)) : undefined;
  hashes.set(connector, { config: config.data, key: engine.bridgeKey, hash });
  return hash;
}

/**
 * Remembers the address before a connector's first send. If it has changed since, marks the connector as moved, which
 * stops sending like a pause until an operator decides: its shadows may describe another system.
 *
 * A strict connector has no shadows; its change is only recorded in the ledger.
 *
 * @param health as it was read
 * @returns the health that applies to this process's address
 */
export async function rememberAddress(engine: Engine, connector: Connector, health: Health): Promise<Health> {
  const hash = addressHashOf(engine, connector);
  if (hash === undefined) return health;
  if (health.address === undefined) {
    const id = connectorId(connector);
    const after = await changeHealth(engine, id, (before) =>
      before.address === undefined ? { ...before, address: hash } : before,
    );
    // Another process may have remembered another address at the same time.
    return after.address === hash ? after : compareAddress(engine, connector, after);
  }
  return compareAddress(engine, connector, health);
}

/**
 * Like `rememberAddress`, but remembers no first address, and leaves a strict connector to its next delivery: on AWS, the
 * scheduled function of a connector may not write to the ledger.
 */
export async function checkAddress(engine: Engine, connector: Connector, health: Health): Promise<Health> {
  return connector.order === "strict" ? health : compareAddress(engine, connector, health);
}

async function compareAddress(engine: Engine, connector: Connector, health: Health): Promise<Health> {
  const hash = health.address === undefined ? undefined : addressHashOf(engine, connector);
  if (hash === undefined) return health;
  if (hash === health.address) return health.moved ? withdraw(engine, connector, health) : health;
  return health.moved?.to === hash ? health : noteChange(engine, connector, hash);
}

/** Withdraws a noticed change, because the configuration has the known address again. */
async function withdraw(engine: Engine, connector: Connector, health: Health): Promise<Health> {
  const { moved, ...unmoved } = health;
  if (!moved || engine.clock.now() - moved.at < rolloutMs) return unmoved;
  return changeHealth(engine, connectorId(connector), (before, now) =>
    before.moved?.to === moved.to ? withoutMove(before, now) : before,
  );
}

/** Ends the wait after a change of address. The outbox is due for a redrive. */
export function withoutMove({ moved: _m, redriveGapMs: _g, ...health }: Health, now: number): Health {
  return { ...health, redriveAt: now };
}

async function noteChange(engine: Engine, connector: Connector, to: string): Promise<Health> {
  const id = connectorId(connector);
  const { order } = connector;
  const audit = order === "strict" ? createAuditEvent(engine, "sync.connector.moved", { connector: id }) : undefined;
  let isNew = false;
  const health = await changeHealth(
    engine,
    id,
    (before, now) => {
      isNew = before.address !== undefined && before.address !== to && before.moved?.to !== to;
      if (!isNew) return before;
      return order === "strict" ? { ...before, address: to } : { ...before, moved: { to, at: now } };
    },
    audit,
  );
  if (isNew && order === "latest") engine.log({ step: "address-changed", connector: id });
  return health;
}
