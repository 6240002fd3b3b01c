import { Bridge, Connector, Event, Stream } from "hms-bridge";
import approval from "./policy-approved.json" with { type: "json" };

// Works without a sheet: reads a stream of events, decides in code, and pushes the relevant ones.
const connectors = { WorkForceNow: { baseUrl: process.env.HR_URL ?? "https://hr.example" } };
await using bridge = new Bridge({ mappings: [], connectors });
const hr = new Connector("WorkForceNow").map({
  teleworkHours: "flex_time",
  effectiveDate: "policy_start",
  approverEmail: "last_modified_by",
});
await bridge.emit(Event(approval));

for await (const evt of Stream("PolicyApproved")) {
  if (evt.category === "Telework") await hr.push(evt);
  console.log(`✅ synced ${evt.id}`);
  break; // A service would continue. The stream's cursor is durable.
}
