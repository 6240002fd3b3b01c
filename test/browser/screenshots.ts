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

// Takes the screenshots of docs/console/, or of the folder that is given as an argument: an office after an hour of
// events, with one target down and some packets held. The hour takes about a minute: the process's clock is set back
// and advanced in steps of a minute.
const outputFolder = process.argv[2] ?? join(import.meta.dirname, "..", "..", "docs", "console");
const minutes = 55;
const realNow = Date.now;
let behindMs = minutes * 60_000;
Date.now = () => realNow() - behindMs;

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
const token = "not-in-any-screenshot";
const served = await serveOps(localOps(engine), { port: 0, token, actor: "m.lindqvist", page: pageFile });

payroll.answer = delayed(4, 30);
gis.answer = delayed(15, 120);
hr.answer = delayed(40, 400, refusesLongHours);
const cities = ["Aurora", "Belmont", "Clearwater", "Dunmore", "Eastvale", "Fairhaven", "Glenview", "Harbor Point"];
const rates = new Map<string, number>();
let number = 0;

for (let minute = 0; minute < minutes; minute++) {
  for (let i = 0; i < 3; i++) await changeRate();
  if (minute % 2 === 0) await publish("PolicyApproved", policy(8 + (number % 5) * 4), `policy-${number}`);
  if (minute % 5 === 0) {
    const data = { station: `ST-${100 + minute}`, name: `${city()} Field Office`, region: "North-West", open: true };
    await publish("station.updated", data, data.station);
  }
  if (minute === 20) await publish("roster.published", { employees: roster(80) }, "R-2026-11");
  if (minute === 31) await publish("PolicyApproved", policy(96), "policy-limit");
  if (minute === 44) await publish("PolicyAmended", { ...policy(120), id: "policy-amended" }, "policy-amended");
  if (minute === 12) await publishInvalid({ id: "m-1", source: "hms.staff", data: { station: "ST-9" } });
  if (minute === 36)
    await publishInvalid({ id: "m-2", source: "hms.policy", type: "PolicyApproved", time: "soon", data: {} });
  if (minute === 47) await publishInvalid({ id: "m-3", source: "hms.policy", type: "PolicyApproved", data: [] });
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
for (let i = 0; i < 9; i++) await changeRate();
await until(async () => (await health("GISTableConnector@v1")) === "DOWN");
behindMs = 0;
await publish("PolicyApproved", policy(24), "policy-last");
await bridge.settled();

const snapshot = snapshotFile();
const [held] = await bridge.outbox({ statuses: ["HELD"], newestFirst: true });
if (!held) throw new Error("The screenshots need a held packet, but there is none.");
mkdirSync(outputFolder, { recursive: true });
await using browser = await launch();
for (const [size, viewport] of [
  ["wide", { width: 1280, height: 860 }],
  ["narrow", { width: 390, height: 844 }],
] as const) {
  for (const colorScheme of ["light", "dark"] as const) {
    const page = await browser.newPage({ viewport, colorScheme, deviceScaleFactor: 1.5, reducedMotion: "reduce" });
    await page.goto(`${served.url}/#token=${token}`);
    await takeScreenshot(page, `overview-${size}-${colorScheme}`, () =>
      page.getByRole("heading", { name: "Lag" }).waitFor(),
    );
    await go(page, "packets");
    await takeScreenshot(page, `packets-${size}-${colorScheme}`, () => page.locator("tbody tr").nth(8).waitFor());
    await go(page, `packets/${held.id}`);
    await takeScreenshot(page, `packet-${size}-${colorScheme}`, async () => {
      await page.getByRole("button", { name: "Edit" }).click();
      await page.getByLabel("Value (JSON)").fill("40");
      await page.getByRole("button", { name: "Preview" }).click();
      await page.getByRole("heading", { name: "Preview" }).waitFor();
      await page.getByLabel("Reason").fill("The limit is 40 hours; checked with the policy desk");
    });
    await go(page, "sheets/per_diem");
    await takeScreenshot(page, `sheets-${size}-${colorScheme}`, async () => {
      const text = page.getByLabel("Sheet text");
      await text.fill((await text.inputValue()).replace("new_rate: dailyRate", "new_rate: dailyRateUSD"));
      await page.getByText("No errors").waitFor();
      await page.getByRole("button", { name: "Try" }).click();
      await page.getByText("events tried").waitFor();
    });
    await go(page, "events?status=QUARANTINED");
    await takeScreenshot(page, `events-${size}-${colorScheme}`, () => page.locator("tbody tr").nth(2).waitFor());
    await go(page, "jobs/backfill");
    await takeScreenshot(page, `backfill-${size}-${colorScheme}`, async () => {
      await page.getByLabel("Snapshot file").check();
      await page.getByLabel("File URL").fill(snapshot);
      await page.getByLabel("telework.hr").check();
      await page.getByLabel("Maximum packets per second").fill("50");
      await page.getByRole("button", { name: "Preview" }).click();
      await page.getByText("would be created from").waitFor();
    });
    await page.close();
  }
}
await served.close();
await bridge.close();

async function go(page: Page, where: string): Promise<void> {
  await page.goto(`${served.url}/#/${where}`);
}

/** Takes a screenshot once the screen is ready. */
async function takeScreenshot(page: Page, name: string, ready: () => Promise<unknown>): Promise<void> {
  await ready();
  await page.locator(".skeleton").first().waitFor({ state: "detached" });
  await page.evaluate("document.activeElement?.blur(); scrollTo(0, 0)");
  // The chart is drawn in a later animation frame.
  await page.waitForTimeout(400);
  const path = join(outputFolder, `${name}.png`);
  await page.screenshot({ path, animations: "disabled" });
  // If pngquant is installed, it reduces the colors to 256: a quarter of the size, without a visible difference.
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

/** Puts a message that is not a valid event into the inbox, as a faulty service would. */
async function publishInvalid(message: JsonObject): Promise<void> {
  await engine.queue.send("inbox", [{ group: String(message.id), body: JSON.stringify(message) }]);
}

/** Writes a file with policies of an earlier spring and returns its URL. */
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

function changeRate(): Promise<void> {
  const cityName = city();
  const before = rates.get(cityName) ?? 60 + (number % 9);
  const after = before + 1 + (number % 4);
  rates.set(cityName, after);
  return publish(
    "policy.per_diem.updated",
    { new_rate: after, old_rate: before, city: cityName },
    cityName.toLowerCase().replace(" ", "-"),
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

/** Waits until every packet is closed or held, except those of a target that is down. */
async function settled(): Promise<void> {
  await until(async () => {
    const open = await bridge.outbox({ statuses: ["QUEUED", "RETRY"] });
    const isGisDown = (await health("GISTableConnector@v1")) === "DOWN";
    return open.every(({ connector }) => isGisDown && connector.startsWith("GIS"));
  });
}

/** Delays a response as a remote target would: most are fast, a few are slow. */
function delayed(fromMs: number, toMs: number, answer: Answer = taken): Answer {
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
