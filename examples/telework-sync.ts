import { Bridge, Connector, Event, Stream } from "hms-bridge";
import approval from "./policy-approved.json" with { type: "json" };

// The same without a sheet: read a stream of events, decide in code, push what matters.
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
  break; // A service would go on: the stream remembers where it was.
}
