import { Bridge, Event } from "hms-bridge";

// A rate changes, and the sheets in mappings/ send it to two systems. Then the last minute is replayed.
await using bridge = new Bridge({
  dir: ":memory:",
  connectors: {
    PayrollConnector: { baseUrl: process.env.PAYROLL_URL ?? "https://hr.gov/api" },
    GISTableConnector: { baseUrl: process.env.GIS_URL ?? "https://gis.gov/api" },
  },
});
await bridge.emit(Event({ type: "policy.per_diem.updated", data: { new_rate: 68, old_rate: 62 } }));
await bridge.settled();
for (const packet of await bridge.outbox()) console.log(String(packet));

const end = new Date();
await bridge.replay(new Date(end.getTime() - 60_000), end);
await bridge.settled();
for (const packet of await bridge.outbox({ from: end })) console.log(String(packet));
