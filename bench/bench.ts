import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { pathToFileURL } from "node:url";
import { mapEvent } from "../bridge/mapping/map-event.ts";
import { readSheet } from "../bridge/mapping/sheet-file.ts";
import type { SourceEvent } from "../bridge/model/event.ts";
import { createHttp } from "../connectors/protocols/http/client.ts";
import { undiciWire } from "../connectors/protocols/http/undici-transport.ts";
import { Bridge, Event } from "../index.ts";
import type { Targets } from "./target.ts";

const idleEvents = 1_000;
const burstPackets = 25_000;
const mapEvents = 2_000_000;
const floorRequests = 20_000;

const target = fork(new URL("target.ts", import.meta.url));
const { port, hrPort, certificate } = await new Promise<Targets>((resolve) =>
  target.once("message", (message) => resolve(message as Targets)),
);
const baseUrl = `http://127.0.0.1:${port}`;

const floor = await measureFloor();
tell(
  "floor",
  `raw HTTP to the same server: median ${floor.p50Ms} ms, ${floor.requestsPerSecond} requests/s at 20 at once`,
);
const idle = await measureIdle();
tell(
  "idle",
  `emit to acknowledged delivery: median ${idle.p50Ms} ms, p95 ${idle.p95Ms} ms, p99 ${idle.p99Ms} ms (${ratio(idle.p50Ms, floor.p50Ms)} × the floor)`,
);
const burst = await measureBurst();
tell(
  "burst",
  `${burst.packets} packets in ${burst.seconds} s, ${burst.packetsPerSecond}/s (the floor is ${ratio(floor.requestsPerSecond, burst.packetsPerSecond)} × that), peak ${Math.round(burst.peakMemoryBytes / 1e6)} MB`,
);
tell(
  "seal",
  `${burst.seal.entries} entries sealed in ${burst.seal.sealMs} ms, the thread never held longer than ${burst.seal.longestHeldMs} ms; ${burst.seal.verifiedPerSecond} entries/s verified`,
);
const bulk = await measureBulk();
tell(
  "bulk",
  `${bulk.packets} telework packets of one roster to the bulk HR API in ${bulk.seconds} s, ${bulk.packetsPerSecond}/s`,
);
const map = measureMap();
tell("map", `${map.eventsPerSecond} events/s a core, renames only`);

const results = {
  at: new Date().toISOString(),
  node: process.version,
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  floor,
  idle,
  burst,
  bulk,
  map,
};
writeFileSync(new URL("results.json", import.meta.url), `${JSON.stringify(results, null, 2)}\n`);
end(target);

/** What Node and this machine can do at best: the same client, the same server, nothing between. */
async function measureFloor() {
  const http = createHttp({ allowedHosts: [new URL(baseUrl).host], wire: undiciWire });
  const request = () => http.request({ method: "PATCH", url: `${baseUrl}/v2/rates`, json: { dailyRate: 68 } });
  for (let i = 0; i < 500; i++) await request();
  const times: number[] = [];
  for (let i = 0; i < idleEvents; i++) {
    const began = performance.now();
    await request();
    times.push(performance.now() - began);
  }
  const began = performance.now();
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      for (let i = 0; i < floorRequests / 20; i++) await request();
    }),
  );
  const seconds = (performance.now() - began) / 1_000;
  return { p50Ms: quantile(times, 0.5), requestsPerSecond: Math.round(floorRequests / seconds) };
}

/** One event at a time on an idle bridge: from the call of `emit` until the target has acknowledged. */
async function measureIdle() {
  let acknowledged = () => {};
  const bench = open((step) => step === "delivered" && acknowledged());
  const times: number[] = [];
  for (let i = -100; i < idleEvents; i++) {
    const done = new Promise<void>((resolve) => {
      acknowledged = resolve;
    });
    const began = performance.now();
    await bench.bridge.emit(perDiem(`idle-${i}`, { gis: false }));
    await done;
    if (i >= 0) times.push(performance.now() - began);
    await bench.bridge.settled();
  }
  await bench.close();
  return {
    events: idleEvents,
    p50Ms: quantile(times, 0.5),
    p95Ms: quantile(times, 0.95),
    p99Ms: quantile(times, 0.99),
  };
}

/** As many events as make 25,000 packets for two targets, published as fast as the bridge takes them. */
async function measureBurst() {
  let delivered = 0;
  let finished = () => {};
  const all = new Promise<void>((resolve) => {
    finished = resolve;
  });
  const bench = open((step) => step === "delivered" && ++delivered === burstPackets && finished());
  await bench.bridge.open();
  let peakMemoryBytes = 0;
  const watch = setInterval(() => {
    peakMemoryBytes = Math.max(peakMemoryBytes, process.memoryUsage.rss());
  }, 50);
  const events = Array.from({ length: burstPackets / 2 }, (_, i) => perDiem(`burst-${i}`, { gis: true }));
  const began = performance.now();
  let next = 0;
  await Promise.all(
    Array.from({ length: 200 }, async () => {
      for (let event = events[next++]; event; event = events[next++]) await bench.bridge.emit(event);
    }),
  );
  const emittedSeconds = round((performance.now() - began) / 1_000);
  await all;
  await bench.bridge.settled();
  const seconds = round((performance.now() - began) / 1_000);
  clearInterval(watch);
  const { packets } = await bench.bridge.tally();
  if (packets.SENT !== burstPackets) throw new Error(`only ${packets.SENT} of ${burstPackets} packets are SENT`);
  const seal = await measureSeal(bench.bridge);
  await bench.close();
  return {
    seal,
    packets: burstPackets,
    seconds,
    emittedSeconds,
    packetsPerSecond: Math.round(burstPackets / seconds),
    peakMemoryBytes,
  };
}

/**
 * One approved policy with a roster of 25,000, to the HR service that takes many at once: a token, a certificate, TLS.
 * From the call of `emit` until the last row is acknowledged.
 */
async function measureBulk() {
  const dir = mkdtempSync(join(tmpdir(), "bridge-bench-"));
  const roster = join(dir, "roster.ndjson");
  const lines = Array.from({ length: burstPackets }, (_, i) =>
    JSON.stringify({ worker: `E-${i}`, hours: (i % 40) + 1 }),
  );
  writeFileSync(roster, lines.join("\n"));
  const baseUrl = `https://127.0.0.1:${hrPort}`;
  process.env.BRIDGE_SECRET_WORKFORCENOW_V2 = JSON.stringify({ clientId: "a", clientSecret: "b", ...certificate });
  let done = 0;
  let finished = () => {};
  const all = new Promise<void>((resolve) => {
    finished = resolve;
  });
  const text = `
source_event: PolicyApproved
targets:
  hr:
    connector: WorkForceNow@v2
    for_each: { ndjson: roster }
    key: worker
    map: { hours: worker.workAssignment.standardHours.hoursQuantity }
`;
  const bridge = new Bridge({
    dir: join(dir, "store"),
    mappings: [{ file: "telework.yaml", text }],
    connectors: { "WorkForceNow@v2": { baseUrl, tokenUrl: `${baseUrl}/token` } },
    places: [dir],
    log: ({ step }) => step === "delivered" && ++done === burstPackets && finished(),
  });
  await bridge.open();
  const began = performance.now();
  await bridge.emit(Event({ type: "PolicyApproved", subject: "p-1", data: { roster: pathToFileURL(roster).href } }));
  await all;
  await bridge.settled();
  const seconds = round((performance.now() - began) / 1_000);
  const { packets } = await bridge.tally();
  if (packets.SENT !== burstPackets) throw new Error(`only ${packets.SENT} of ${burstPackets} packets are SENT`);
  await bridge.close();
  rmSync(dir, { recursive: true });
  return { packets: burstPackets, seconds, packetsPerSecond: Math.round(burstPackets / seconds) };
}

/** Seals a burst's ledger at once, which in a day's work goes by five minutes at a time; and checks it. */
async function measureSeal(bridge: Bridge) {
  const { sealing } = await bridge.engine();
  const held = monitorEventLoopDelay({ resolution: 1 });
  held.enable();
  const began = performance.now();
  const made = await sealing?.seal();
  const sealMs = round(performance.now() - began);
  held.disable();
  const begun = performance.now();
  const { entries, seals, fault } = await bridge.verify();
  const verifySeconds = (performance.now() - begun) / 1_000;
  if (fault || seals?.unsealed !== 0) throw new Error(`the ledger is not in order: ${fault?.message}`);
  return {
    entries: made?.entries ?? 0,
    sealMs,
    longestHeldMs: round(held.max / 1e6),
    verifiedPerSecond: Math.round(entries / verifySeconds),
  };
}

function measureMap() {
  const reading = readSheet(
    "bench.yaml",
    "source_event: policy.per_diem.updated\ntargets:\n  payroll:\n    connector: PayrollConnector\n    map: { new_rate: dailyRate }\n",
  );
  if (!reading.ok) throw new Error("the bench's sheet is faulty");
  const [payroll] = reading.sheet.targets;
  if (!payroll) throw new Error("the bench's sheet has no target");
  const match = { sheet: reading.sheet, target: payroll };
  const event = perDiem("map", { gis: false });
  let fields = 0;
  const run = (count: number) => {
    for (let i = 0; i < count; i++) fields += (mapEvent(event, match, 0) as unknown[]).length;
  };
  run(200_000);
  const began = performance.now();
  run(mapEvents);
  const seconds = (performance.now() - began) / 1_000;
  if (fields !== 200_000 + mapEvents) throw new Error("the map step lost parcels");
  return { eventsPerSecond: Math.round(mapEvents / seconds) };
}

function perDiem(subject: string, { gis }: { gis: boolean }): SourceEvent {
  return Event({
    type: gis ? "policy.per_diem.updated" : "policy.per_diem.one",
    subject,
    data: { new_rate: 68, old_rate: 62 },
  });
}

function open(onStep: (step: string) => unknown) {
  const dir = mkdtempSync(join(tmpdir(), "bridge-bench-"));
  const sheet = (type: string, targets: string) => ({
    file: `${type}.yaml`,
    text: `source_event: ${type}\nkey: subject\ntargets:\n${targets}`,
  });
  const hr = "  hr: { connector: WorkForceNow, map: { new_rate: rate } }\n";
  const gis = "  gis: { connector: GISTableConnector, map: { new_rate: perDiemUSD } }\n";
  const bridge = new Bridge({
    dir: join(dir, "store"),
    mappings: [sheet("policy.per_diem.one", hr), sheet("policy.per_diem.updated", hr + gis)],
    connectors: { WorkForceNow: { baseUrl }, GISTableConnector: { baseUrl } },
    log: ({ step }) => onStep(step),
  });
  return {
    bridge,
    async close() {
      await bridge.close();
      rmSync(dir, { recursive: true });
    },
  };
}

function quantile(values: readonly number[], q: number): number {
  return round([...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] as number);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

function ratio(a: number, b: number): number {
  return Math.round((a / b) * 10) / 10;
}

function tell(name: string, text: string): void {
  console.log(`${name.padEnd(6)} ${text}`);
}

function end(child: ChildProcess): void {
  child.disconnect();
}
