import type { Engine } from "../bridge/engine.ts";
import type { PacketRecord } from "../bridge/model/packet-record.ts";
import type { StorePort } from "../bridge/ports/store.ts";
import { pagesOf } from "../bridge/values/pagination.ts";

/** From queueing to acknowledgement, in ms. */
export interface Lag {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

export interface Lags {
  /** By connector, over the last hour. */
  readonly lastHour: ReadonlyMap<string, Lag>;
  /** By connector, a minute after another, those in which something was delivered. */
  readonly byMinute: ReadonlyMap<string, readonly (Lag & { readonly at: number })[]>;
}

const hourMs = 3_600_000;
const minuteMs = 60_000;

/** Of the last hour at most so many of the newest packets are looked at: enough for percentiles. */
const sample = 2_000;
const page = 200;

/** A dashboard asks every few seconds, and several may be open. */
const keptMs = 5_000;
const kept = new WeakMap<StorePort, { readonly at: number; readonly lags: Promise<Lags> }>();

/** How long deliveries took in the last hour, of the newest 2,000 packets; at most 5 s old. */
export function lagsOf(engine: Engine): Promise<Lags> {
  const now = engine.clock.now();
  const known = kept.get(engine.store);
  if (known && now - known.at < keptMs && now >= known.at) return known.lags;
  const lags = read(engine, now);
  kept.set(engine.store, { at: now, lags });
  lags.catch(() => kept.delete(engine.store));
  return lags;
}

async function read(engine: Engine, now: number): Promise<Lags> {
  const sent: PacketRecord[] = [];
  let looked = 0;
  const newest = { from: now - hourMs, newestFirst: true, limit: page };
  for await (const { items } of pagesOf((from) => engine.store.packets({ ...newest, ...from }))) {
    looked += items.length;
    sent.push(...items.filter(({ progress }) => progress.status === "SENT"));
    if (looked >= sample) break;
    // What is delivered goes on in between.
    await engine.clock.sleep(0);
  }
  const byConnector = Map.groupBy(sent, ({ packet }) => packet.connector);
  const lastHour = new Map([...byConnector].map(([id, packets]) => [id, lagOf(packets)]));
  const byMinute = new Map(
    [...byConnector].map(([id, packets]) => {
      const minutes = Map.groupBy(packets, ({ progress }) => Math.floor((progress.closedAt ?? 0) / minuteMs));
      const rows = [...minutes].map(([minute, of]) => ({ at: minute * minuteMs, ...lagOf(of) }));
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
