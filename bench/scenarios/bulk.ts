import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { checkSent, DeliveryCounter } from "../deliveries.ts";
import { startMeter } from "../meter.ts";
import { type RunContext, rounded, row, type Scenario, usageRows, wallOverFloor } from "../scenario.ts";

// Measures the throughput of one event with a roster file: one packet per worker, to an HR API that accepts several
// workers in one call. It includes an access token, a client certificate and TLS.

const maxWarmUpPackets = 500;

const sheet = `
source_event: PolicyApproved
targets:
  hr:
    connector: WorkForceNow@v2
    for_each: { ndjson: roster }
    key: worker
    map: { hours: worker.workAssignment.standardHours.hoursQuantity }
`;

export const bulk: Scenario = {
  name: "bulk",
  summary: "one event with a roster file, to an HR API that accepts several workers in one call",
  rows: [row("wall", "s", "seconds"), wallOverFloor, ...usageRows],

  async run(context) {
    const { packets } = context;
    const warmUpPackets = Math.min(maxWarmUpPackets, packets);
    const { Event } = await context.library();
    const deliveries = new DeliveryCounter();
    await using bridge = await openRosterBridge(context, deliveries);
    const send = async (name: string, roster: string, count: number): Promise<void> => {
      const delivered = deliveries.next(count);
      await bridge.emit(Event({ type: "PolicyApproved", subject: name, data: { roster } }));
      await delivered;
      await bridge.settled();
    };
    const warmUpRoster = writeRoster(context.dir, "warm-up", warmUpPackets);
    const roster = writeRoster(context.dir, "roster", packets);
    await send("warm-up", warmUpRoster, warmUpPackets);
    const stop = startMeter();
    await send("roster", roster, packets);
    const usage = stop(packets);
    await checkSent(bridge, packets + warmUpPackets);
    return { figures: { packets, packetsPerSecond: packets / usage.seconds, ...usage }, notes: [] };
  },

  lines: (figures) => [
    {
      name: "bulk",
      text: `${figures.packets} telework packets of one roster to the bulk HR API in ${rounded(figures.seconds)} s, ${rounded(figures.packetsPerSecond, 0)}/s, ${rounded(figures.cpuMsPerPacket)} ms of CPU per packet`,
    },
  ],
};

async function openRosterBridge({ dir, targets, library }: RunContext, { log }: DeliveryCounter) {
  const { Bridge } = await library();
  const baseUrl = `https://127.0.0.1:${targets.hrPort}`;
  const secret = { clientId: "a", clientSecret: "b", ...targets.certificate };
  process.env.BRIDGE_SECRET_WORKFORCENOW_V2 = JSON.stringify(secret);
  const bridge = new Bridge({
    dir: join(dir, "store"),
    mappings: [{ file: "telework.yaml", text: sheet }],
    connectors: { "WorkForceNow@v2": { baseUrl, tokenUrl: `${baseUrl}/token` } },
    places: [dir],
    log,
  });
  await bridge.open();
  return bridge;
}

/**
 * Writes a roster with one line per worker and returns the file's URL. Worker names differ between rosters, so no
 * packet is unchanged.
 */
function writeRoster(dir: string, name: string, workers: number): string {
  const lines = Array.from({ length: workers }, (_, i) =>
    JSON.stringify({ worker: `${name}-${i}`, hours: (i % 40) + 1 }),
  );
  const file = join(dir, `${name}.ndjson`);
  writeFileSync(file, lines.join("\n"));
  return pathToFileURL(file).href;
}
