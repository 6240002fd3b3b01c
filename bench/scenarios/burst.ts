import { monitorEventLoopDelay } from "node:perf_hooks";
import { checkSent, DeliveryCounter } from "../deliveries.ts";
import { sealerOf } from "../internals.ts";
import { durationMs, repeat, startMeter } from "../meter.ts";
import { openRateBridge, rateEvent } from "../rate-bridge.ts";
import {
  type Figures,
  type Library,
  type Line,
  type Measurement,
  rounded,
  row,
  type Scenario,
  usageRows,
  wallOverFloor,
} from "../scenario.ts";

// Measures the throughput of events for two targets, published as fast as the bridge accepts them, and then the time to
// seal and verify the ledger of that burst.

type Bridge = InstanceType<Library["Bridge"]>;
type SourceEvent = ReturnType<Library["Event"]>;

const concurrentEmits = 200;
const maxWarmUpPackets = 1_000;

export const burst: Scenario = {
  name: "burst",
  summary: "events for two targets, published as fast as the bridge accepts them; then its ledger",
  rows: [
    row("wall", "s", "seconds"),
    wallOverFloor,
    ...usageRows,
    row("seal", "ms", "seal.sealMs"),
    row("verify", "ms", "seal.verifyMs"),
  ],

  async run(context) {
    const packets = even(context.packets);
    const warmUpPackets = even(Math.min(maxWarmUpPackets, packets / 2));
    const library = await context.library();
    const deliveries = new DeliveryCounter();
    await using bridge = await openRateBridge(context, deliveries);
    const eventsOf = (name: string, count: number) =>
      Array.from({ length: count / 2 }, (_, i) => rateEvent(library, `${name}-${i}`, 2));
    const send = async (events: readonly SourceEvent[]): Promise<number> => {
      const delivered = deliveries.next(events.length * 2);
      const emitMs = await durationMs(() =>
        repeat(events.length, concurrentEmits, (i) => bridge.emit(events[i] as SourceEvent)),
      );
      await delivered;
      await bridge.settled();
      return emitMs / 1_000;
    };
    await send(eventsOf("warm-up", warmUpPackets));
    const seal = await sealerOf(bridge);
    await seal?.();
    const events = eventsOf("burst", packets);
    const stop = startMeter();
    const emittedSeconds = await send(events);
    const usage = stop(packets);
    await checkSent(bridge, packets + warmUpPackets);
    const ledger = await measureLedger(bridge, seal);
    const figures = { packets, emittedSeconds, packetsPerSecond: packets / usage.seconds, ...usage, ...ledger.figures };
    return { figures, notes: ledger.notes };
  },

  lines: (figures, floor) => [
    {
      name: "burst",
      text: `${figures.packets} packets in ${rounded(figures.seconds)} s, ${rounded(figures.packetsPerSecond, 0)}/s (the floor is ${rounded(wallOverFloor.value(figures, floor), 1)} × that), ${rounded(figures.cpuMsPerPacket)} ms of CPU per packet, peak ${rounded((figures.peakMemoryBytes ?? Number.NaN) / 1e6, 0)} MB`,
    },
    ...sealLines(figures),
  ],
};

function sealLines(figures: Figures): readonly Line[] {
  const entries = figures["seal.entries"];
  if (entries === undefined) return [];
  return [
    {
      name: "seal",
      text: `${entries} entries sealed in ${rounded(figures["seal.sealMs"])} ms, with the thread blocked for at most ${rounded(figures["seal.longestHeldMs"])} ms; ${rounded(figures["seal.verifiedPerSecond"], 0)} entries/s verified`,
    },
  ];
}

/** Rounds to an even number, because one event becomes two packets. */
function even(packets: number): number {
  return 2 * Math.max(1, Math.round(packets / 2));
}

/** Seals the burst's entries in one seal, unlike normal operation with a seal every 5 min, and verifies the ledger. */
async function measureLedger(bridge: Bridge, seal: Awaited<ReturnType<typeof sealerOf>>): Promise<Measurement> {
  if (!seal) return { figures: {}, notes: ["no seal figures, because its engine has no sealing.seal()"] };
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const sealStartedAt = performance.now();
  const sealed = await seal();
  const sealMs = performance.now() - sealStartedAt;
  delay.disable();
  const verifyStartedAt = performance.now();
  const { entries, seals, fault } = await bridge.verify();
  const verifyMs = performance.now() - verifyStartedAt;
  if (fault) throw new Error(`the ledger does not verify: ${fault.message}`);
  if (seals?.unsealed !== 0) throw new Error("entries of the ledger are not sealed");
  const figures: Figures = {
    "seal.entries": sealed?.entries ?? 0,
    "seal.sealMs": sealMs,
    "seal.longestHeldMs": delay.max / 1e6,
    "seal.verifyMs": verifyMs,
    "seal.verifiedPerSecond": (entries / verifyMs) * 1_000,
  };
  return { figures, notes: [] };
}
