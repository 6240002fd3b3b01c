import { readFileSync } from "node:fs";
import { Bridge, Event } from "hms-bridge";

// Sends one change to four systems: payroll, scheduling, a GIS table and the append-only audit copy in SQL.
const file = "examples/sheets/onrr-per-diem.yaml";
const mappings = [{ file, text: readFileSync(file, "utf8") }];
const { PAYROLL_URL, SCHEDULING_URL, GIS_URL, AUDIT_PORT } = process.env;
const connectors = {
  PayrollConnector: { baseUrl: PAYROLL_URL },
  SchedulingConnector: { baseUrl: SCHEDULING_URL },
  GISTableConnector: { baseUrl: GIS_URL },
  PostgresqlAuditConnector: { host: "localhost", port: Number(AUDIT_PORT), database: "postgres", tls: false },
};
await using bridge = new Bridge({ dir: ":memory:", mappings, connectors });
const data = { city: "Denver", new_rate: 68, old_rate: 62, effective: "2026-12-01" };
await bridge.emit(Event({ type: "policy.per_diem.updated", data }));
await bridge.settled();
for (const packet of await bridge.outbox()) console.log(String(packet));
console.log((await bridge.verify()).fault ?? "the ledger verifies");
