import { spawnSync } from "node:child_process";
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Page } from "playwright-core";
import type { JsonObject } from "../../bridge/values/json.ts";
import { localOps } from "../../cli/api-server.ts";
import { pageFile } from "../../cli/console-assets.ts";
import { Bridge } from "../../library/bridge.ts";
import { serveOps } from "../../ops/local-server.ts";
import { until } from "../support/clock.ts";
import { home } from "../support/home.ts";
import { type Answer, taken, targetServer } from "../support/target-server.ts";
import { launch } from "./chromium.ts";
import { officePolicy, officeSheets } from "./sheets.ts";

// Takes the pictures of docs/console/: an office with an hour behind it, one target down, and some packets held.
// The hour is lived in about a minute: the process's clock is set back, and goes on in leaps.
const pictures = join(import.meta.dirname, "..", "..", "docs", "console");
const minutes = 55;
const machineNow = Date.now;
let behindMs = minutes * 60_000;
Date.now = () => machineNow() - behindMs;

await using payroll = await targetServer();
await using gis = await targetServer();
await using hr = await targetServer();
using folder = home({ "governance.yaml": officePolicy });
for (const [file, text] of Object.entries(officeSheets)) folder.write(`mappings/${file}`, text);
const bridge = new Bridge({
  dir: join(folder.path, ".bridge"),
  mappings: join(folder.path, "mappings"),
  seals: join(folder.path, "seals"),
  connectors: {
    PayrollConnector: { baseUrl: payroll.url },
    GISTableConnector: { baseUrl: gis.url, table: "places" },
    WorkForceNow: { baseUrl: hr.url },
  },
  places: [folder.path],
  times: { backoffMs: [60, 120], probeMs: 400, tickMs: 100, redriveMs: 600_000 },
});
const engine = await bridge.engine();
const token = "shown-in-no-picture";
const served = await serveOps(localOps(engine), { port: 0, token, actor: "m.lindqvist", page: pageFile });

payroll.answer = slowly(4, 30);
gis.answer = slowly(15, 120);
hr.answer = slowly(40, 400, refusesLongHours);
const cities = ["Aurora", "Belmont", "Clearwater", "Dunmore", "Eastvale", "Fairhaven", "Glenview", "Harbor Point"];
const rates = new Map<string, number>();
let number = 0;

for (let minute = 0; minute < minutes; minute++) {
  for (let i = 0; i < 3; i++) await changeOfRate();
  if (minute % 2 === 0) await publish("PolicyApproved", policy(8 + (number % 5) * 4), `policy-${number}`);
  if (minute % 5 === 0) {
    const data = { station: `ST-${100 + minute}`, name: `${city()} Field Office`, region: "North-West", open: true };
    await publish("station.updated", data, data.station);
  }
  if (minute === 20) await publish("roster.published", { employees: roster(80) }, "R-2026-11");
  if (minute === 31) await publish("PolicyApproved", policy(96), "policy-limit");
  if (minute === 44) await publish("PolicyAmended", { ...policy(120), id: "policy-amended" }, "policy-amended");
  if (minute === 12) await misprint({ id: "m-1", source: "hms.staff", data: { station: "ST-9" } });
  if (minute === 36)
    await misprint({ id: "m-2", source: "hms.policy", type: "PolicyApproved", time: "soon", data: {} });
  if (minute === 47) await misprint({ id: "m-3", source: "hms.policy", type: "PolicyApproved", data: [] });
  if (minute === 38) await gis.stop();
  if (minute === 40) await gis.restart();
  await settled();
  behindMs -= 60_000;
}
await publish(
  "PolicyApproved",
  { ...policy(16), id: "policy-masked", contact: "hr-desk@agency.example" },
  "policy-masked",
);
await publish("PolicyApproved", { ...policy(72), id: "policy-9ab34" }, "policy-9ab34");
await settled();
await gis.stop();
for (let i = 0; i < 9; i++) await changeOfRate();
await until(async () => (await health("GISTableConnector@v1")) === "DOWN");
behindMs = 0;
await publish("PolicyApproved", policy(24), "policy-last");
await bridge.settled();

const snapshot = snapshotFile();
const [held] = await bridge.outbox({ statuses: ["HELD"], newestFirst: true });
if (!held) throw new Error("no packet is held; the pictures need one");
mkdirSync(pictures, { recursive: true });
await using browser = await launch();
for (const [size, viewport] of [
  ["wide", { width: 1280, height: 860 }],
  ["narrow", { width: 390, height: 844 }],
] as const) {
  for (const colorScheme of ["light", "dark"] as const) {
    const page = await browser.newPage({ viewport, colorScheme, deviceScaleFactor: 1.5, reducedMotion: "reduce" });
    await page.goto(`${served.url}/#token=${token}`);
    await shoot(page, `overview-${size}-${colorScheme}`, () => page.getByRole("heading", { name: "Lag" }).waitFor());
    await go(page, "packets");
    await shoot(page, `packets-${size}-${colorScheme}`, () => page.locator("tbody tr").nth(8).waitFor());
    await go(page, `packets/${held.id}`);
    await shoot(page, `packet-${size}-${colorScheme}`, async () => {
      await page.getByRole("button", { name: "Edit" }).click();
      await page.getByLabel("Value, as JSON").fill("40");
      await page.getByRole("button", { name: "Preview" }).click();
      await page.getByText("What it would come to").waitFor();
      await page.getByLabel("Reason").fill("The limit is 40 hours; checked with the policy desk");
    });
    await go(page, "sheets/per_diem");
    await shoot(page, `sheets-${size}-${colorScheme}`, async () => {
      const text = page.getByLabel("The sheet's text");
      await text.fill((await text.inputValue()).replace("new_rate: dailyRate", "new_rate: dailyRateUSD"));
      await page.getByText("No faults").waitFor();
      await page.getByRole("button", { name: "Try" }).click();
      await page.getByText("events tried").waitFor();
    });
    await go(page, "events?status=QUARANTINED");
    await shoot(page, `events-${size}-${colorScheme}`, () => page.locator("tbody tr").nth(2).waitFor());
    await go(page, "jobs/backfill");
    await shoot(page, `backfill-${size}-${colorScheme}`, async () => {
      await page.getByLabel("A snapshot").check();
      await page.getByLabel("The file's address").fill(snapshot);
      await page.getByLabel("telework.hr").check();
      await page.getByLabel("Packets a second").fill("50");
      await page.getByRole("button", { name: "Preview" }).click();
      await page.getByText("would be made of").waitFor();
    });
    await page.close();
  }
}
await served.close();
await bridge.close();

async function go(page: Page, where: string): Promise<void> {
  await page.goto(`${served.url}/#/${where}`);
}

async function shoot(page: Page, name: string, ready: () => Promise<unknown>): Promise<void> {
  await ready();
  await page.locator(".skeleton").first().waitFor({ state: "detached" });
  await page.evaluate("document.activeElement?.blur(); scrollTo(0, 0)");
  // The chart is drawn in a frame of its own.
  await page.waitForTimeout(400);
  const path = join(pictures, `${name}.png`);
  await page.screenshot({ path, animations: "disabled" });
  // Where it is installed, a picture of 256 colours is a quarter of the size, and looks the same.
  spawnSync("pngquant", ["--force", "--ext", ".png", "--speed", "1", "256", path]);
  console.log(`${name}.png  ${Math.round(statSync(path).size / 1024)} KB`);
}

async function publish(type: string, data: JsonObject, subject: string): Promise<void> {
  number++;
  await bridge.emit({
    id: `e-${number}`,
    source: type.startsWith("Policy") || type.startsWith("policy") ? "hms.policy" : "hms.staff",
    type,
    subject,
    time: new Date(Date.now()).toISOString(),
    data,
  });
}

/** A message that is no event, as a service with a fault of its own would publish it. */
async function misprint(message: JsonObject): Promise<void> {
  await engine.queue.send("inbox", [{ group: String(message.id), body: JSON.stringify(message) }]);
}

/** @returns the address of a file with policies of last spring */
function snapshotFile(): string {
  const lines = Array.from({ length: 320 }, (_, i) =>
    JSON.stringify({
      source: "hms.policy",
      type: "PolicyApproved",
      time: "2026-04-01T08:00:00Z",
      data: { id: `spring-${i}`, category: "Telework", teleworkHours: 8 + (i % 4) * 8, effectiveDate: "2026-05-01" },
    }),
  );
  folder.write("policies-2026-04.ndjson", `${lines.join("\n")}\n`);
  return pathToFileURL(join(folder.path, "policies-2026-04.ndjson")).href;
}

function changeOfRate(): Promise<void> {
  const where = city();
  const before = rates.get(where) ?? 60 + (number % 9);
  const after = before + 1 + (number % 4);
  rates.set(where, after);
  return publish(
    "policy.per_diem.updated",
    { new_rate: after, old_rate: before, city: where },
    where.toLowerCase().replace(" ", "-"),
  );
}

function city(): string {
  return cities[number % cities.length] as string;
}

function policy(teleworkHours: number): JsonObject {
  return { id: `policy-${number}`, category: "Telework", teleworkHours, effectiveDate: "2026-12-01T00:00:00Z" };
}

function roster(size: number): JsonObject[] {
  return Array.from({ length: size }, (_, i) => ({
    employeeNo: `E-${4000 + i}`,
    grade: `G${7 + (i % 6)}`,
    station: "ST-100",
  }));
}

async function health(id: string): Promise<string | undefined> {
  return (await engine.store.read("health", [id]))[0]?.value.status;
}

async function settled(): Promise<void> {
  await until(async () => {
    const open = await bridge.outbox({ statuses: ["QUEUED", "RETRY"] });
    const asleep = (await health("GISTableConnector@v1")) === "DOWN";
    return open.every(({ connector }) => asleep && connector.startsWith("GIS"));
  });
}

/** As a target in a data centre answers: most at once, some late. */
function slowly(fromMs: number, toMs: number, answer: Answer = taken): Answer {
  return (request, response) => {
    const ms = request.method === "GET" ? 0 : fromMs + (toMs - fromMs) * Math.random() ** 4;
    setTimeout(() => answer(request, response), ms);
  };
}

function refusesLongHours(...[request, response]: Parameters<Answer>): void {
  const { flex_time: hours = 0 } = (request.body ?? {}) as { flex_time?: number };
  if (hours <= 40) return void response.writeHead(204).end();
  response.writeHead(422, { "content-type": "application/json" });
  response.end(
    JSON.stringify({ error: "flex_time_out_of_range", message: "flex_time must be between 0 and 40", max: 40 }),
  );
}
