import type { Engine } from "../engine.ts";
import type { AuditEvent } from "../ledger/audit-event.ts";
import type { Health } from "../model/target-health.ts";

/** Retry outcomes in a row that mark a target as down, if they come from at least two lanes. */
const failuresToOpen = 5;

/** A target nothing is known about: taken to be up. */
export function healthOf(now: number): Health {
  return { status: "UP", since: now, strikes: [], paused: false };
}

export function isDown(health: Health): boolean {
  return health.status === "DOWN";
}

/**
 * Changes a connector's health, however many processes do so at once.
 *
 * @param note what is written in the same transaction, where something changes
 */
export async function changeHealth(
  engine: Engine,
  connector: string,
  change: (health: Health, now: number) => Health,
  note?: AuditEvent,
): Promise<Health> {
  for (;;) {
    const [stored] = await engine.store.read("health", [connector]);
    const now = engine.clock.now();
    const before = stored?.value ?? healthOf(now);
    const after = change(before, now);
    if (after === before) return before;
    const put = { kind: "health", id: connector, value: after, etag: stored?.etag ?? 0 } as const;
    const written = await engine.store.write(note ? [put, note.put] : [put], note && [note.entry]);
    if (written === "conflict") continue;
    if (after.status !== before.status) {
      engine.log({ step: after.status === "DOWN" ? "target-down" : "target-recovered", connector });
    }
    return after;
  }
}

/** One more retry outcome. Five in a row from at least two lanes open the breaker: one bad record does not. */
export function recordFailure(engine: Engine, connector: string, lane: string): Promise<Health> {
  return changeHealth(engine, connector, (health, now) => {
    if (isDown(health)) return health;
    const strikes = [...health.strikes, lane].slice(-failuresToOpen);
    const down = strikes.length >= failuresToOpen && new Set(strikes).size >= 2;
    return down ? markDown(health, now) : { ...health, strikes };
  });
}

export async function recordSuccess(engine: Engine, connector: string): Promise<void> {
  const [stored] = await engine.store.read("health", [connector]);
  if (!stored || stored.value.strikes.length === 0) return;
  await changeHealth(engine, connector, (health) =>
    health.strikes.length === 0 ? health : { ...health, strikes: [] },
  );
}

export function markDown(health: Health, now: number): Health {
  return { ...health, status: "DOWN", since: now, strikes: [], probedAt: now };
}

export function markUp(health: Health, now: number): Health {
  const { redriveGapMs: _, ...rest } = health;
  return { ...rest, status: "UP", since: now, strikes: [], redriveAt: now };
}
