import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { styleText } from "node:util";
import { placeOf } from "../bridge/ledger/verify.ts";
import { Bridge, Event, type PacketView } from "../index.ts";
import { targetServer } from "../test/support/target-server.ts";

// Demonstrates the bridge's main features on the durable engine over real HTTP. Ends by itself.
const times = { backoffMs: [150, 300, 600], probeMs: 500, tickMs: 100, redriveMs: 5_000 };
const home = mkdtempSync(join(tmpdir(), "bridge-demo-"));
const mappings = join(home, "mappings");
const sheet = join(mappings, "per_diem.yaml");
cpSync("mappings", mappings, { recursive: true });
cpSync("governance.yaml", join(home, "governance.yaml"));

await using payroll = await targetServer();
await using gis = await targetServer();
let sheetsLoaded = 0;
await using bridge = new Bridge({
  dir: join(home, "store"),
  mappings,
  connectors: { PayrollConnector: { baseUrl: payroll.url }, GISTableConnector: { baseUrl: gis.url } },
  times,
  onSheets: ({ kind }) => {
    if (kind === "loaded") sheetsLoaded++;
  },
});
const inProgress = ["QUEUED", "RETRY"] as const;
let published = 0;

title("HMS Sync Bridge");
say(
  "This process is the whole bridge. Its store is one SQLite file. Payroll and GIS are two HTTP servers in this process.",
);
say(
  `Shortened for the demo: back-off ${times.backoffMs.join(", ")} ms (live: 1 to 30 s), probe every ${times.probeMs} ms (60 s).`,
);
say(`The AWS equivalent of each step is in ${aws("[brackets]")}.`);
const began = new Date();
await bridge.open();

title("1. The per-diem rate goes from 62 to 68 dollars");
await publish(62, 68);
await bridge.settled();
say(`HMS publishes one event. ${aws("[EventBridge rule → inbox queue → mapper Lambda]")}`);
say(
  `Its sheet, mappings/per_diem.yaml, creates one minimal packet per target. ${aws("[SQS FIFO lane → connector Lambda]")}`,
);
show(await bridge.outbox());
say(`Payroll received ${JSON.stringify(payroll.received.at(-1)?.body)}, and nothing else of the event.`);

title("2. Payroll goes down, and three more changes arrive");
await payroll.stop();
const asleep = new Date();
for (const [before, after] of [
  [68, 70],
  [70, 72],
  [72, 74],
] as const)
  await publish(before, after);
await until(async () => (await waiting()).length === 3);
say(
  `GIS has all three. Payroll's packets wait in its outbox. Nothing is lost. ${aws("[the lane's dead-letter queue]")}`,
);
show(await waiting());

title("3. Payroll comes back up");
await payroll.restart();
await until(async () => (await bridge.outbox({ statuses: inProgress })).length === 0);
say(`The probe noticed, and the outbox was redriven to the lane, oldest first. ${aws("[probe Lambda, DLQ redrive]")}`);
show((await bridge.outbox({ from: asleep })).filter(({ target }) => target === "payroll"));
say(`Payroll received, in order: ${payroll.received.map(({ body }) => JSON.stringify(body)).join("  ")}`);

title("4. A sheet changes while the bridge runs");
writeFileSync(sheet, readFileSync(sheet, "utf8").replaceAll("dailyRate", "dailyRateUSD"));
const before = sheetsLoaded;
await until(async () => sheetsLoaded > before);
await publish(74, 76);
await bridge.settled();
say(`From the next event on, new_rate becomes dailyRateUSD, without a restart. ${aws("[AppConfig deployment]")}`);
say(`Payroll received ${JSON.stringify(payroll.received.at(-1)?.body)}.`);

title("5. An operator replays the whole time window, to be sure");
const effects = payroll.received.length + gis.received.length;
const revisions = await bridge.replay(began, Date.now() + 1);
await bridge.settled();
const replayed = await Promise.all(revisions.map(async ({ id }) => (await bridge.packet(id)) as PacketView));
for (const status of ["UNCHANGED", "SUPERSEDED", "SENT"] as const) {
  const count = replayed.filter((packet) => packet.status === status).length;
  const meaning = {
    UNCHANGED: "the target already has this value",
    SUPERSEDED: "the target has a newer value",
    SENT: "sent again",
  }[status];
  if (count > 0) say(`${String(count).padStart(2)} of ${replayed.length} → ${status}: ${meaning}`);
}
say(`Calls to the targets caused by the replay: ${payroll.received.length + gis.received.length - effects}.`);

title("6. Can we prove it?");
const { entries, chains, fault } = await bridge.verify();
say(
  fault
    ? `The ledger is broken: ${placeOf(fault)}: ${fault.message}`
    : `bridge ledger verify: all good, ${entries} entries in ${chains} hash chains ${aws("[DynamoDB, append-only]")}`,
);
const { events, packets } = await bridge.tally();
const received = events.EXPANDED + events.EXPANDING + events.UNMATCHED + events.QUARANTINED + events.duplicates;
const closed = packets.SENT + packets.UNCHANGED + packets.SUPERSEDED + packets.DISCARDED;
const open = packets.QUEUED + packets.RETRY + packets.HELD;
const recorded = (await bridge.outbox()).length;
say(
  `events   ${published} published = ${events.EXPANDED} expanded + ${events.EXPANDING} expanding + ${events.UNMATCHED} unmatched + ${events.QUARANTINED} quarantined + ${events.duplicates} duplicate`,
);
say(
  `packets  ${recorded} recorded  = ${closed} closed (${packets.SENT} sent, ${packets.UNCHANGED} unchanged, ${packets.SUPERSEDED} superseded) + ${open} open`,
);
const holds = !fault && published === received && recorded === closed + open && open === 0;
say(holds ? styleText("green", "Both sums hold: nothing was lost.") : styleText("red", "The sums do not hold."));

title("Where to look next");
say("npm start                    the bridge on this machine, with the sheets of mappings/");
say("npx bridge --help            publish, list, explain, replay, verify");
say("npm run synth                the AWS stacks, ready for cdk deploy");
console.log();
await bridge.close();
rmSync(home, { recursive: true });
process.exitCode = holds ? 0 : 1;

async function publish(old_rate: number, new_rate: number): Promise<void> {
  published++;
  await bridge.emit(Event({ type: "policy.per_diem.updated", source: "hms.policy", data: { new_rate, old_rate } }));
}

/** Returns the open packets if all of them wait in the outbox, else none. */
async function waiting(): Promise<PacketView[]> {
  const queued = await bridge.outbox({ statuses: inProgress });
  const parked = queued.filter(({ status, nextTryAt }) => status === "QUEUED" && nextTryAt !== undefined);
  return parked.length === queued.length ? parked : [];
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let attempts = 0; !(await holds()); attempts++) {
    if (attempts > 500) throw new Error("the demo waited 10 s for something that did not happen");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function title(text: string): void {
  console.log(`\n${styleText("bold", text)}`);
}

function say(text: string): void {
  console.log(`   ${text}`);
}

function show(packets: readonly PacketView[]): void {
  for (const packet of packets) say(`  ${styleText(packet.status === "SENT" ? "green" : "yellow", String(packet))}`);
}

function aws(text: string): string {
  return styleText("dim", text);
}
