import { styleText } from "node:util";
import { changeHealth, markDown } from "../bridge/delivery/circuit-breaker.ts";
import { placeOf, verifyLedger } from "../bridge/ledger/verify.ts";
import { Event } from "../index.ts";
import { viewOf } from "../library/packet-view.ts";
import { driverOf } from "../test/aws/driver.ts";
import { emulatorOrExit } from "../test/aws/emulator/python.ts";
import { deployStage } from "../test/aws/stage.ts";
import { targetServer } from "../test/support/target-server.ts";

// Demonstrates the bridge's main features on the deployed stacks. Only AWS itself is emulated, on this machine.
const payrollId = "PayrollConnector@v1";
const connectors = [payrollId, "GISTableConnector@v1", "WorkForceNow@v1"];

title("HMS Sync Bridge on AWS");
say(
  "No account is needed. An AWS emulator (MiniStack) runs until the demo ends, and checks every signature and policy.",
);
await emulatorOrExit();
await using payroll = await targetServer();
await using gis = await targetServer();
await using stage = await deployStage({
  connectors: { PayrollConnector: { baseUrl: payroll.url }, GISTableConnector: { baseUrl: gis.url } },
  log: say,
});
const { engine, publish, isQuiet, invoke } = await driverOf(stage, connectors);
const functions = stage.functions.map(({ name }) => name.replace("hms-bridge-", "")).sort();
say(`Deployed: ${functions.length} functions, each with its own role: ${functions.join(", ")}.`);
const began = Date.now();
let published = 0;

title("1. The per-diem rate goes from 62 to 68 dollars");
await rate(62, 68);
await until(async () => payroll.received.length > 0 && gis.received.length > 0 && (await isQuiet()));
say(
  "HMS publishes one event on EventBridge. It passes a rule, the inbox, the mapper, a FIFO lane per connector, and the connector's Lambda.",
);
await show();
say(`Payroll received ${JSON.stringify(payroll.received.at(-1)?.body)}, and nothing else of the event.`);

title("2. Payroll goes down, and three more changes arrive");
await payroll.stop();
const asleep = Date.now();
// The bridge marks a target down after five failures in several lanes. The demo marks it down directly.
await changeHealth(engine, payrollId, markDown);
for (const [before, after] of [
  [68, 70],
  [70, 72],
  [72, 74],
] as const)
  await rate(before, after);
await until(async () => (await engine.queue.depth(`outbox:${payrollId}`)).waiting === 3 && (await isQuiet()));
say("GIS has all three. Payroll's packets wait in its outbox, the lane's dead-letter queue. Nothing is lost.");
await show(asleep, "payroll");

title("3. Payroll comes back up");
await payroll.restart();
await invoke("PayrollConnector-v1-probe");
await until(async () => payroll.received.at(-1)?.body !== undefined && (await waiting()) === 0);
say("The probe function, which a rule invokes every minute, noticed and had SQS move the outbox back to its lane.");
await show(asleep, "payroll");
say(`Payroll received, in order: ${payroll.received.map(({ body }) => JSON.stringify(body)).join("  ")}`);

title("4. Can we prove it?");
const { entries, chains, fault } = await verifyLedger(engine);
say(
  fault
    ? `The ledger is broken at ${placeOf(fault)}.`
    : `The ledger on DynamoDB verifies: ${entries} entries in ${chains} hash chains.`,
);
const { events, packets } = await engine.store.tally();
const seen = events.EXPANDED + events.EXPANDING + events.UNMATCHED + events.QUARANTINED + events.duplicates;
const closed = packets.SENT + packets.UNCHANGED + packets.SUPERSEDED + packets.DISCARDED;
const open = packets.QUEUED + packets.RETRY + packets.HELD;
const recorded = (await engine.store.packets({ limit: 1_000 })).items.length;
say(`events   ${published} published = ${seen} accounted for (${events.EXPANDED} expanded)`);
say(
  `packets  ${recorded} recorded  = ${closed} closed (${packets.SENT} sent, ${packets.SUPERSEDED} superseded) + ${open} open`,
);
const holds = !fault && published === seen && recorded === closed + open && open === 0;
say(holds ? styleText("green", "Both sums hold: nothing was lost.") : styleText("red", "The sums do not hold."));

title("Where to look next");
say("npm run test:aws             tests of all this, plus outages, poison messages, strict lanes and permissions");
say("docs/deploy.md               how to deploy to your own account");
console.log();
process.exitCode = holds ? 0 : 1;

async function rate(old_rate: number, new_rate: number): Promise<void> {
  // The sequence fixes the order, because on AWS two events published close together may arrive in either order.
  const sequence = ++published;
  await publish(
    Event({ type: "policy.per_diem.updated", source: "hms.policy", sequence, data: { new_rate, old_rate } }),
  );
}

async function waiting(): Promise<number> {
  const { packets: counts } = await engine.store.tally();
  return counts.QUEUED + counts.RETRY;
}

async function show(from = began, target?: string): Promise<void> {
  const { items } = await engine.store.packets({ from, limit: 100 });
  for (const record of items) {
    const view = viewOf(record, Date.now());
    if (target !== undefined && view.target !== target) continue;
    say(`  ${styleText(view.status === "SENT" ? "green" : "yellow", String(view))}`);
  }
}

async function until(holdsNow: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; !(await holdsNow()); ) {
    if (Date.now() > end) throw new Error("the demo waited a minute for something that did not happen");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function title(text: string): void {
  console.log(`\n${styleText("bold", text)}`);
}

function say(text: string): void {
  console.log(`   ${text}`);
}
