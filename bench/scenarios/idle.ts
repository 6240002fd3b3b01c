import { DeliveryCounter } from "../deliveries.ts";
import { durationMs, startMeter } from "../meter.ts";
import { openRateBridge, rateEvent } from "../rate-bridge.ts";
import { type Figures, rounded, row, type Scenario, usageRows } from "../scenario.ts";
import { quantile } from "../statistics.ts";

// Measures the latency of one event at a time, from the call of `emit` until the target has acknowledged the packet.

const warmUpEvents = 100;
const minEvents = 200;
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
    const events = Math.max(minEvents, Math.round(context.packets / packetsPerEvent));
    const library = await context.library();
    const deliveries = new DeliveryCounter();
    await using bridge = await openRateBridge(context, deliveries);
    const deliver = async (subject: string): Promise<number> => {
      const delivered = deliveries.next(1);
      const latencyMs = await durationMs(async () => {
        await bridge.emit(rateEvent(library, subject, 1));
        await delivered;
      });
      await bridge.settled();
      return latencyMs;
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
      text: `emit to acknowledged delivery: median ${rounded(figures.p50Ms)} ms, p95 ${rounded(figures.p95Ms)} ms, p99 ${rounded(figures.p99Ms)} ms (${rounded(overFloor(figures, floor), 1)} × the floor), ${rounded(figures.cpuMsPerPacket)} ms of CPU per packet`,
    },
  ],
};

function overFloor({ p50Ms = Number.NaN }: Figures, floor: Figures): number {
  return p50Ms / (floor.p50Ms ?? Number.NaN);
}
