import { appendFile } from "node:fs/promises";
import { Bridge, defineConnector, delivered, Event } from "hms-bridge";
import * as z from "zod";

// Connects your own system with a few lines. Sheets refer to the connector by its name.
const flatFile = defineConnector({
  name: "FlatFile",
  order: "strict",
  idempotent: false,
  config: z.object({ path: z.string().default("rates.csv") }),
  send: (packet, { config: { path } }) =>
    appendFile(path, `${packet.entity},${packet.fields.rate}\n`).then(() => delivered({ at: path })),
  probe: async () => true,
});
const text = "{ source_event: rate.set, key: city, targets: { host: { connector: FlatFile, map: { usd: rate } } } }";
await using bridge = new Bridge({ dir: ":memory:", register: [flatFile], mappings: [{ file: "rates.yaml", text }] });
for (const city of ["Denver", "Boston"]) await bridge.emit(Event({ type: "rate.set", data: { city, usd: 68 } }));
await bridge.settled();
for (const packet of await bridge.outbox()) console.log(String(packet));
