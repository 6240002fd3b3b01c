import type { Engine } from "../engine.ts";
import type { AuditEvent } from "../ledger/audit-event.ts";
import type { Health } from "../model/target-health.ts";

/** Number of consecutive failures that open the breaker if they come from at least two lanes. */
const failuresToOpen = 5;

/** Returns the initial health of a target: up. */
export function healthOf(now: number): Health {
  return { status: "UP", since: now, strikes: [], paused: false };
}

export function isDown(health: Health): boolean {
  return health.status === "DOWN";
}

/**
 * Changes a connector's health. If another process changes it at the same time, `change` runs again on the new state.
 *
 * @param change returns its argument if nothing changes, in which case nothing is written
 * @param auditEvent recorded in the same transaction
 */
export async function changeHealth(
  engine: Engine,
  connector: string,
  change: (health: Health, now: number) => Health,
  auditEvent?: AuditEvent,
): Promise<Health> {
  for (;;) {
    const [stored] = await engine.store.read("health", [connector]);
    const now = engine.clock.now();
    const before = stored?.value ?? healthOf(now);
    const after = change(before, now);
    if (after === before) return before;
    const put = { kind: "health", id: connector, value: after, etag: stored?.etag ?? 0 } as const;
    const written = await engine.store.write(
      auditEvent ? [put, auditEvent.put] : [put],
      auditEvent && [auditEvent.entry],
    );
    if (written === "conflict") continue;
    if (after.status !== before.status) {
      engine.log({ step: after.status === "DOWN" ? "target-down" : "target-recovered", connector });
    }
    return after;
  }
}

/** Records a retry outcome. Five in a row from at least two lanes open the breaker, so a single bad record does not. */
export function recordFailure(engine: Engine, connector: string, lane: string): Promise<Health> {
  return changeHealth(engine, connector, (health, now) => {
    if (isDown(health)) return health;
    const consecutiveFailures = [...health.strikes, lane].slice(-failuresToOpen);
    const opens = consecutiveFailures.length >= failuresToOpen && new Set(consecutiveFailures).size >= 2;
    return opens ? markDown(health, now) : { ...health, strikes: consecutiveFailures };
  });
}

/** Resets the count of consecutive failures. */
export async function recordSuccess(engine: Engine, connector: string): Promise<void> {
  const [stored] = await engine.store.read("health", [connector]);
  if (!stored || stored.value.strikes.length === 0) return;
  await changeHealth(engine, connector, (health) =>
    health.strikes.length === 0 ? health : { ...health, strikes: [] },
  );
}

/** Opens the breaker: the target is not called until a probe succeeds. */
export function markDown(health: Health, now: number): Health {
  return { ...health, status: "DOWN", since: now, strikes: [], probedAt: now };
}

/** Closes the breaker and makes the outbox due for a redrive. */
export function markUp(health: Health, now: number): Health {
  const { redriveGapMs: _, ...rest } = health;
  return { ...rest, status: "UP", since: now, strikes: [], redriveAt: now };
}
