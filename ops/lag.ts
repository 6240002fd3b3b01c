import type { Engine } from "../bridge/engine.ts";
import type { PacketRecord } from "../bridge/model/packet-record.ts";
import type { StorePort } from "../bridge/ports/store.ts";
import { pagesOf } from "../bridge/values/pagination.ts";

/** Delivery lag: milliseconds from queueing to acknowledgement. */
export interface Lag {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

export interface Lags {
  /** Lag of each connector over the last hour. */
  readonly lastHour: ReadonlyMap<string, Lag>;
  /** Lag of each connector per minute, oldest first, without minutes in which nothing was delivered. */
  readonly byMinute: ReadonlyMap<string, readonly (Lag & { readonly at: number })[]>;
}

const hourMs = 3_600_000;
const minuteMs = 60_000;

/** Maximum number of packets of the last hour that are read, newest first. It is enough for percentiles. */
const maxSample = 2_000;
const pageSize = 200;

/** Each open dashboard requests the lags every few seconds, so a result is reused for this time. */
const cacheMs = 5_000;
const cache = new WeakMap<StorePort, { readonly at: number; readonly lags: Promise<Lags> }>();

/** Returns the delivery lag over the last hour, measured on its 2,000 newest packets. The result is at most 5 s old. */
export function lagsOf(engine: Engine): Promise<Lags> {
  const now = engine.clock.now();
  const cached = cache.get(engine.store);
  if (cached && now - cached.at < cacheMs && now >= cached.at) return cached.lags;
  const lags = measureLags(engine, now);
  cache.set(engine.store, { at: now, lags });
  lags.catch(() => cache.delete(engine.store));
  return lags;
}

async function measureLags(engine: Engine, now: number): Promise<Lags> {
  const sent: PacketRecord[] = [];
  let scanned = 0;
  const newest = { from: now - hourMs, newestFirst: true, limit: pageSize };
  for await (const { items } of pagesOf((from) => engine.store.packets({ ...newest, ...from }))) {
    scanned += items.length;
    sent.push(...items.filter(({ progress }) => progress.status === "SENT"));
    if (scanned >= maxSample) break;
    // Lets deliveries run between pages.
    await engine.clock.sleep(0);
  }
  const byConnector = Map.groupBy(sent, ({ packet }) => packet.connector);
  const lastHour = new Map([...byConnector].map(([id, packets]) => [id, lagOf(packets)]));
  const byMinute = new Map(
    [...byConnector].map(([id, packets]) => {
      const minutes = Map.groupBy(packets, ({ progress }) => Math.floor((progress.closedAt ?? 0) / minuteMs));
      const rows = [...minutes].map(([minute, closed]) => ({ at: minute * minuteMs, ...lagOf(closed) }));
      return [id, rows.sort((a, b) => a.at - b.at)];
    }),
  );
  return { lastHour, byMinute };
}

function lagOf(packets: readonly PacketRecord[]): Lag {
  const lags = packets
    .map(({ progress }) => Math.max(0, (progress.closedAt ?? progress.queuedAt) - progress.queuedAt))
    .sort((a, b) => a - b);
  const at = (share: number) => lags[Math.min(lags.length - 1, Math.floor(lags.length * share))] ?? 0;
  return { count: lags.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: lags.at(-1) ?? 0 };
}
