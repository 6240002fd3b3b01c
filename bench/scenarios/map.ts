import { loadMapStep } from "../internals.ts";
import { startMeter } from "../meter.ts";
import { rounded, row, type Scenario } from "../scenario.ts";

// Measures the throughput of the map step alone on one core: one renamed field, no queue, no store, no network.

const warmUpEvents = 200_000;
const measuredEvents = 2_000_000;

const sheet = `
source_event: policy.per_diem.updated
targets:
  payroll:
    connector: PayrollConnector
    map: { new_rate: dailyRate }
`;

export const map: Scenario = {
  name: "map",
  summary: "the map step alone, on one core",
  rows: [row("wall per event", "ns", "wallNsPerEvent"), row("CPU per event", "ns", "cpuNsPerEvent")],

  async run({ tree, library }) {
    const { Event } = await library();
    const step = await loadMapStep(tree);
    if (!step) return { figures: {}, notes: ["not measured, because its map step is at a path unknown to the bench"] };
    const reading = step.readSheet("bench.yaml", sheet);
    if (!reading.ok) throw new Error("the bench's sheet is invalid in this tree");
    const match = { sheet: reading.sheet, target: reading.sheet.targets[0] };
    const event = Event({ type: "policy.per_diem.updated", subject: "map", data: { new_rate: 68, old_rate: 62 } });
    const mapRepeatedly = (count: number): number => {
      let results = 0;
      for (let i = 0; i < count; i++) results += (step.mapEvent(event, match, 0) as readonly unknown[]).length;
      return results;
    };
    const warmUpResults = mapRepeatedly(warmUpEvents);
    const stop = startMeter();
    const results = mapRepeatedly(measuredEvents);
    const { seconds, cpuMsPerPacket } = stop(measuredEvents);
    if (warmUpResults + results !== warmUpEvents + measuredEvents) throw new Error("the map step lost events");
    const figures = {
      eventsPerSecond: measuredEvents / seconds,
      wallNsPerEvent: (seconds * 1e9) / measuredEvents,
      cpuNsPerEvent: cpuMsPerPacket * 1e6,
    };
    return { figures, notes: [] };
  },

  lines: (figures) => [
    { name: "map", text: `${rounded(figures.eventsPerSecond, 0)} events/s on one core, with one renamed field` },
  ],
};
