import { DeliveryCounter } from "../deliveries.ts";
import { startMeter } from "../meter.ts";
import { openRateBridge, rateEvent } from "../rate-bridge.ts";
import { type Figures, rounded, row, type Scenario, usageRows } from "../scenario.ts";
import { quantile } from "../statistics.ts";

// Latency of one event at a time: from the call of `emit` until the target has acknowledged the packet.

const warmUpEvents = 100;
const fewestEvents = 200;
const packetsPerEvent = 25;

export const idle: Scenario = {
  name: "idle",
  summary: "one event at a time on an idle bridge, from emit to acknowledged delivery",
  rows: [
    row("p50", "ms", "p50Ms"),
    row("p95", "ms", "p95Ms"),
    row("p99", "ms", "p99Ms"),
    { label: "p50 ÷ floor", unit: "×", isContext: true, value: overFloor },
    ...usageRows,
  ],

  async run(context) {
    const events = Math.max(fewestEvents, Math.round(context.packets / packetsPerEvent));
    const library = await context.library();
    const deliveries = new DeliveryCounter();
    await using bridge = await openRateBridge(context, deliveries);
    const deliver = async (subject: string): Promise<number> => {
      const delivered = deliveries.next(1);
      const startedAt = performance.now();
      await bridge.emit(rateEvent(library, subject, 1));
      await delivered;
      const ms = performance.now() - startedAt;
      await bridge.settled();
      return ms;
    };
    for (let i = 0; i < warmUpEvents; i++) await deliver(`warm-up-${i}`);
    const stop = startMeter();
    const times: number[] = [];
    for (let i = 0; i < events; i++) times.push(await deliver(`idle-${i}`));
    const { cpuMsPerPacket, peakMemoryBytes } = stop(events);
    const figures = {
      events,
      p50Ms: quantile(times, 0.5),
      p95Ms: quantile(times, 0.95),
      p99Ms: quantile(times, 0.99),
      cpuMsPerPacket,
      peakMemoryBytes,
    };
    return { figures, notes: [] };
  },

  lines: (figures, floor) => [
    {
      name: "idle",
      text: `emit to acknowledged delivery: median ${rounded(figures.p50Ms)} ms, p95 ${rounded(figures.p95Ms)} ms, p99 ${rounded(figures.p99Ms)} ms (${rounded(overFloor(figures, floor), 1)} × the floor), ${rounded(figures.cpuMsPerPacket)} ms of CPU a packet`,
    },
  ],
};

function overFloor({ p50Ms = Number.NaN }: Figures, floor: Figures): number {
  return p50Ms / (floor.p50Ms ?? Number.NaN);
}
