import type { Engine } from "../engine.ts";
import type { Packet } from "../model/packet.ts";
import type { Shadow } from "../model/shadow.ts";
import { acceptedAtOf, isMixedOrder, type Version } from "../model/version.ts";
import { changeHealth } from "./circuit-breaker.ts";
import type { LoadedPacket } from "./shadow-store.ts";

/** Doubt about the order that a source states for its changes. It is a log step and raises an alert. */
type OrderNotice = "sequence-restarted" | "order-mixed";

/** Interval between two notices of the same kind for one connector. */
const noticeMs = 3_600_000;

/**
 * Time that must lie between two changes without times before a lower sequence counts as a restart and not as a change
 * that was overtaken on its way.
 */
const overtakenMs = 10 * 60_000;

/**
 * Logs, at most once an hour for each connector, that a source's sequence seems to have started again, or that a source
 * orders the changes of one record now by sequence and now without. Both lead to changes that are superseded by rule.
 */
export async function noticeOrder(engine: Engine, { stored, shadow, health }: LoadedPacket): Promise<void> {
  const { packet } = stored.value;
  const notice = shadow && orderNoticeOf(packet, shadow.value);
  if (!notice) return;
  const isRecent = (at = 0) => Math.abs(engine.clock.now() - at) < noticeMs;
  if (isRecent(health.noticedAt?.[notice])) return;
  let isFirst = false;
  await changeHealth(engine, packet.connector, (before, now) => {
    isFirst = !isRecent(before.noticedAt?.[notice]);
    return isFirst ? { ...before, noticedAt: { ...before.noticedAt, [notice]: now } } : before;
  });
  if (!isFirst) return;
  // The source is omitted, as it may name a person and this code has no detectors.
  const { connector, id, event } = packet;
  engine.log({ step: notice, connector, packet: id, event });
}

function orderNoticeOf({ fields, action, version }: Packet, shadow: Shadow): OrderNotice | undefined {
  const names = action === "delete" ? Object.keys(shadow.fields) : Object.keys(fields);
  const held = names.flatMap((name) =>
    Object.hasOwn(shadow.fields, name) ? (shadow.fields[name]?.version ?? []) : [],
  );
  const versions = shadow.deleted ? [...held, shadow.deleted] : held;
  if (versions.some((other) => isMixedOrder(other, version))) return "order-mixed";
  return versions.some((other) => startedAgain(other, version)) ? "sequence-restarted" : undefined;
}

/** Returns true if a change with a lower sequence was made later. */
function startedAgain(held: Version, later: Version): boolean {
  if (held.source !== later.source || held.sequence === undefined || later.sequence === undefined) return false;
  if ((held.epoch ?? 0) !== (later.epoch ?? 0) || later.sequence >= held.sequence) return false;
  return held.untimed || later.untimed
    ? acceptedAtOf(later) - acceptedAtOf(held) > overtakenMs
    : later.time > held.time;
}
