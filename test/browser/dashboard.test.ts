import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chromiumPath, noChromium } from "./chromium.ts";
import { anOffice, axeViolations, type Office } from "./office.ts";

if (chromiumPath === undefined) console.warn(`The Sync Dashboard is not tested: ${noChromium}`);

const rate = (city: string, new_rate: number) => ({
  type: "policy.per_diem.updated",
  subject: city,
  data: { new_rate, old_rate: 1, city },
});
const policy = (id: string, teleworkHours: number) => ({
  type: "PolicyApproved",
  data: { id, category: "Telework", teleworkHours, effectiveDate: "2026-12-01T00:00:00Z" },
});

const rowOf = (page: Page, text: string) => page.locator("tbody tr", { hasText: text });
const heldRowOf = (page: Page, entity: string) => rowOf(page, entity).filter({ hasText: "Held" });
const openHeldPacket = async (page: Page, entity: string) => {
  await heldRowOf(page, entity).getByRole("link").first().click();
  await page.getByRole("button", { name: "Edit" }).waitFor();
};

describe.skipIf(chromiumPath === undefined)("the Sync Dashboard", () => {
  let office: Office;
  beforeAll(async () => {
    office = await anOffice();
  });
  afterAll(() => office?.[Symbol.asyncDispose]());

  it("shows an outage from start to end: the target goes down, the outbox fills, the target recovers, the outbox empties", async () => {
    const page = await office.open();
    await office.emit(rate("aurora", 61));
    const row = rowOf(page, "GISTableConnector");
    await row.getByText("median").waitFor();

    await office.gis.stop();
    for (const city of ["belmont", "clearwater"]) await office.emit(rate(city, 62));
    await row.getByText("Down").waitFor();
    await row.locator("[data-label=Outbox]", { hasText: "2" }).waitFor();
    await page.getByText("1 target down").waitFor();
    await page.locator(".alerts", { hasText: "GISTableConnector@v1 is down" }).waitFor();

    await office.gis.restart();
    await row.getByText("Up").waitFor();
    await row.locator("[data-label=Outbox]", { hasText: /^0/ }).waitFor();
    await page.locator(".alerts", { hasText: "GISTableConnector@v1 is up again" }).waitFor();
    await page.locator("canvas").waitFor();
    await page.getByText("Show as a table").click();
    await page.getByRole("region", { name: "Lag of" }).getByRole("row").nth(1).waitFor();
    await page.close();
  });

  it("shows a held packet's response, previews an edit of it, and sends the replacement", async () => {
    await office.emit(policy("p-long", 96));
    const page = await office.open("packets?status=HELD");
    await openHeldPacket(page, "p-long");
    await page.getByText("flex_time must be at most 40").waitFor();

    await page.getByRole("button", { name: "Edit" }).click();
    await page.getByLabel("Value (JSON)").fill("fourty");
    expect(await page.getByRole("button", { name: "Preview" }).isDisabled()).toBe(true);
    await page.getByLabel("Value (JSON)").fill("40");
    await page.getByRole("button", { name: "Preview" }).click();
    await page.locator(".preview", { hasText: "96becomes40" }).waitFor();
    expect(office.hr.effects().filter(({ body }) => JSON.stringify(body).includes("p-long"))).toHaveLength(1);
    await page.getByLabel("Reason").fill("the limit is 40 hours");
    await page.getByRole("button", { name: "Send replacement" }).click();

    await page.getByRole("heading", { name: "Sent" }).waitFor();
    await page.getByText("the limit is 40 hours").waitFor();
    expect(office.hr.received.at(-1)?.body).toMatchObject({ flex_time: 40, external_id: "p-long" });
    await page.getByRole("definition").getByRole("link", { name: /^pkt-/ }).click();
    await page.getByRole("heading", { name: "Superseded" }).waitFor();
    await page.close();
  });

  it("notifies the second of two editors that the packet has changed, and keeps their input", async () => {
    await office.emit(policy("p-two", 80));
    const first = await office.open("packets?status=HELD");
    const second = await office.open("packets?status=HELD");
    for (const page of [first, second]) {
      await openHeldPacket(page, "p-two");
      await page.getByRole("button", { name: "Edit" }).click();
      await page.getByLabel("Reason").fill("fixed");
    }
    await first.getByLabel("Value (JSON)").fill("20");
    await second.getByLabel("Value (JSON)").fill("30");

    await first.getByRole("button", { name: "Send replacement" }).click();
    await first.getByRole("heading", { name: "Sent" }).waitFor();
    // The page already shows the packet's new status. The edit is still based on the old version.
    await second.getByRole("heading", { name: "Superseded" }).waitFor();
    await second.getByRole("button", { name: "Send replacement" }).click();

    await second.getByText("Someone else changed this packet first.").waitFor();
    expect(await second.getByLabel("Value (JSON)").inputValue()).toBe("30");
    await second.getByRole("button", { name: "Show the current version" }).click();
    await second.getByRole("heading", { name: "Fields" }).waitFor();
    expect(office.hr.effects().filter(({ body }) => JSON.stringify(body).includes('"flex_time":30'))).toEqual([]);
    await Promise.all([first.close(), second.close()]);
  });

  it("discards a held packet with a reason, replays a sent packet, and pauses and resumes a connector", async () => {
    await office.emit(policy("p-drop", 70));
    const page = await office.open("packets?status=HELD");
    await openHeldPacket(page, "p-drop");
    await page.getByRole("button", { name: "Discard" }).click();
    const dialog = page.getByRole("dialog");
    expect(await dialog.getByRole("button", { name: "Discard" }).isDisabled()).toBe(true);
    await dialog.getByLabel("Reason").fill("a duplicate");
    await dialog.getByRole("button", { name: "Discard" }).click();
    await page.getByRole("heading", { name: "Discarded" }).waitFor();

    await page.goto(`${office.endpoint.url}/#/packets?status=SENT`);
    await rowOf(page, "p-long").getByRole("link").first().click();
    await page.getByRole("button", { name: "Replay" }).click();
    await dialog.getByText("Force").click();
    await dialog.getByLabel("Reason").fill("restored from a backup");
    const receivedBefore = office.hr.received.length;
    await dialog.getByRole("button", { name: "Replay" }).click();
    await page.getByText("Replay of").waitFor();
    await page.getByRole("heading", { name: "Sent" }).waitFor();
    expect(office.hr.received.length).toBe(receivedBefore + 1);

    await page.goto(`${office.endpoint.url}/#/overview`);
    for (const [verb, health] of [
      ["Pause", "Paused"],
      ["Resume", "Up"],
    ] as const) {
      await page.getByRole("button", { name: `${verb} PayrollConnector` }).click();
      await dialog.getByLabel("Reason").fill("maintenance");
      await dialog.getByRole("button", { name: verb }).click();
      await rowOf(page, "PayrollConnector").getByText(health).waitFor();
    }
    await page.getByRole("button", { name: "Probe PayrollConnector" }).click();
    await page.getByText("PayrollConnector@v1 is up.").waitFor();
    await page.close();
  });

  it("discards all packets that match a filter after a preview of their number", async () => {
    for (const id of ["bulk-1", "bulk-2", "bulk-3"]) await office.emit(policy(id, 90));
    const page = await office.open("packets?status=HELD&text=PolicyApproved");
    await rowOf(page, "bulk-3").waitFor();
    await page.getByRole("link", { name: "Bulk operation with this filter" }).click();

    await page.getByLabel("Discard").check();
    await page.getByLabel("Reason").fill("withdrawn by the policy desk");
    expect(await page.getByRole("button", { name: "Discard packets" }).isDisabled()).toBe(true);
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByText("3 of 3 packets would be discarded").waitFor();
    await page.getByRole("button", { name: "Discard 3 packets" }).click();

    await page.locator(".jobs li", { hasText: "Bulk operation" }).getByText("Done").waitFor();
    await page.goto(`${office.endpoint.url}/#/packets?status=HELD`);
    await page.getByText("No packets match these filters").waitFor();
    await page.close();
  });

  it("backfills from a file: previews it with its malformed lines, starts it at a rate, and shows its progress to the end", async () => {
    const lines = Array.from({ length: 240 }, (_, i) =>
      JSON.stringify({ id: `old-${i}`, source: "hms.policy", time: "2026-10-01T00:00:00Z", ...policy(`old-${i}`, 8) }),
    );
    office.write("rosters/policies.ndjson", `${lines.join("\n")}\nno event\n`);
    const page = await office.open("jobs");
    await page.getByRole("link", { name: "Backfill" }).click();

    await page.getByLabel("Snapshot file").check();
    await page.getByLabel("File URL").fill(office.addressOf("rosters/nowhere.ndjson"));
    expect(await page.getByRole("button", { name: "Preview" }).isDisabled()).toBe(true);
    await page.getByLabel("telework.hr").check();
    await page.getByRole("button", { name: "Preview" }).click();
    await page
      .getByText("The file cannot be read. It must be in a folder that bridge.yaml lists under places.")
      .waitFor();
    await page.getByLabel("File URL").fill(office.addressOf("rosters/policies.ndjson"));
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByText("240 packets would be created from 241 events").waitFor();
    await page.getByText("line 241: is not JSON").waitFor();
    expect(await page.getByRole("row", { name: /telework\.hr/ }).innerText()).toMatch(/240\s+0\s+0/);
    await page.getByLabel("Maximum packets per second").fill("120");
    await page.getByRole("button", { name: "Start backfill" }).click();

    const job = page.locator(".jobs li", { hasText: "Backfill" });
    await job.getByText("Running").waitFor();
    await job.getByRole("progressbar").waitFor();
    await job.getByText("Done").waitFor();

    await job.locator("div", { hasText: "Packets created" }).getByText("240").first().waitFor();
    await job.getByText("1 line is malformed: line 241: is not JSON").waitFor();
    await page.close();
  });

  it("replays a past period: previews the results, then starts a job", async () => {
    const page = await office.open("jobs/replay");
    await page.getByLabel("Connector").selectOption("PayrollConnector@v1");
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByText("Already at the target").waitFor();
    const receivedBefore = office.payroll.received.length;

    await page.getByLabel("Send again").check();
    expect(await page.getByRole("button", { name: "Start replay" }).isDisabled()).toBe(true);
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByRole("button", { name: "Start replay" }).click();

    await page.locator(".jobs li", { hasText: "Replay" }).getByText("Done").waitFor();
    await expect.poll(() => office.payroll.received.length).toBeGreaterThan(receivedBefore);
    await page.close();
  });

  it("lists quarantined messages separately with their reasons, and shows the beginning of one", async () => {
    for (const i of [1, 2, 3]) await office.putInInbox(`{"id":"broken-${i}","source":"hms.policy"}`);
    const page = await office.open("overview");
    await page.getByRole("link", { name: /Quarantined 3/ }).click();

    await rowOf(page, "type: is missing").nth(2).waitFor();
    expect(await page.locator("tbody tr").count()).toBe(3);
    await page.getByRole("link", { name: "Expanded" }).click();
    await rowOf(page, "Expanded").first().waitFor();
    expect(await rowOf(page, "Quarantined").count()).toBe(0);
    await page.getByRole("link", { name: "Quarantined" }).click();
    await rowOf(page, "type: is missing").first().getByRole("link").click();
    await page.getByText("broken-").waitFor();
    await page.close();
  });

  it("previews an edited sheet on recorded events, shows the differences, and leaves the current sheet unchanged", async () => {
    const page = await office.open("sheets");
    await page.getByRole("link", { name: "per_diem" }).click();
    const text = page.getByLabel("Sheet text");
    const currentText = await text.inputValue();

    await text.fill(currentText.replace("connector: PayrollConnector", "connector: Nobody"));
    await page.getByText(/line \d+: .*Nobody/).waitFor();
    expect(await page.getByRole("button", { name: "Try" }).isDisabled()).toBe(true);
    await text.fill(currentText.replace("dailyRate", "dailyRateUSD"));
    await page.getByText("No errors").waitFor();
    await page.getByLabel("Event", { exact: true }).selectOption({ label: "Last 10 recorded events" });
    await page.getByRole("button", { name: "Try" }).click();

    await page.getByText(/^\d+ events tried; the edited copy creates different packets for \d+/).waitFor();
    const tried = page.locator(".results li").first();
    await tried.getByText("dailyRateUSD").waitFor();
    await tried.getByText("not sent").waitFor();
    await page.getByRole("button", { name: "Restore the current version" }).click();
    expect(await text.inputValue()).toBe(currentText);
    await page.close();
  });

  it("verifies the ledger and shows the events received by status", async () => {
    const page = await office.open("ledger");
    await page.getByRole("button", { name: "Verify the ledger" }).click();
    await page.getByText("The ledger is intact").waitFor();
    await page.getByRole("row", { name: /events received/ }).waitFor();
    await page.close();
  });

  it("shows an event's status, data and packets", async () => {
    const page = await office.open("events?type=policy.per_diem.updated");
    await rowOf(page, "policy.per_diem.updated").first().getByRole("link").click();
    await page.getByRole("heading", { name: "Data" }).waitFor();
    await page.getByRole("heading", { name: "Expanded" }).waitFor();
    await rowOf(page, "PayrollConnector@v1").first().waitFor();
    await page.close();
  });

  it("keeps the list still while it is read: newer packets wait behind a button, and rows are updated in place", async () => {
    await office.emit(rate("fairhaven", 66));
    const page = await office.open("packets");
    await rowOf(page, "fairhaven").nth(1).waitFor();
    await page.keyboard.press("j");
    const first = await page.locator("tbody tr").first().innerText();

    await office.emit(rate("dunmore", 77));

    await page.getByRole("button", { name: "Show 2 newer packets" }).waitFor();
    expect((await page.locator("tbody tr").first().innerText()).slice(0, 30)).toBe(first.slice(0, 30));
    await page.getByRole("button", { name: "Show 2 newer packets" }).click();
    await rowOf(page, "dunmore").first().waitFor();
    await page.close();
  });

  it("masks text that looks like personal data in every list and shows it on the packet's own page", async () => {
    const email = "jana.novakova@agency.example";
    await office.emit({ ...rate(email, 81), data: { new_rate: 81, old_rate: 80 } });
    const page = await office.open("packets");
    const row = rowOf(page, "@agency.example").or(rowOf(page, "***")).first();
    await row.waitFor();

    for (const screen of ["overview", "packets", "bulk", "jobs", "events", "ledger", "sheets"]) {
      await page.goto(`${office.endpoint.url}/#/${screen}`);
      await page.locator(".skeleton").first().waitFor({ state: "detached" });
      expect(await page.content(), screen).not.toContain(email);
    }
    await page.goto(`${office.endpoint.url}/#/packets`);
    await row.getByRole("link").first().click();
    await page.getByText(email).waitFor();
    await page.close();
  });

  it("supports filtering, moving, opening, going back and help by keyboard", async () => {
    const page = await office.open("packets");
    await page.locator("tbody tr").nth(3).waitFor();

    await page.keyboard.press("/");
    await page.keyboard.type("clearwater");
    await page.keyboard.press("Escape");
    await expect.poll(() => page.url()).toContain("text=clearwater");
    await page.goto(`${office.endpoint.url}/#/packets`);
    await page.locator("tbody tr").nth(3).waitFor();
    for (const key of ["j", "j", "k"]) await page.keyboard.press(key);
    const focused = await page.locator(":focus").innerText();
    expect(focused).toBe(await page.locator("tbody tr a").first().innerText());
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: focused }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("heading", { name: "Packets" }).waitFor();

    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.keyboard.press("g");
    await page.keyboard.press("l");
    await page.getByRole("heading", { name: "Ledger" }).waitFor();
    await page.reload();
    await page.getByText("Connected").waitFor();
    await page.keyboard.press("Tab");
    expect(await page.locator(":focus").innerText()).toBe("Skip to content");
    await page.close();
  });

  it("reconnects by itself when the bridge responds again, even on a screen that loads its data once", async () => {
    const page = await office.open("sheets");
    await page.getByRole("link", { name: "per_diem" }).waitFor();

    await office.context.setOffline(true);
    await page.getByRole("link", { name: "per_diem" }).click();
    await page.getByText("The bridge is not responding.").waitFor();
    await page.getByText("No connection").waitFor();
    await office.context.setOffline(false);

    await page.getByLabel("Sheet text").waitFor();
    await page.getByText("The bridge is responding again.").waitFor();
    await page.close();
  });

  it("removes the token from the address, and explains what to do if it is missing or wrong", async () => {
    const page = await office.open();
    expect(page.url()).not.toContain(office.endpoint.token);
    expect(await page.evaluate("history.length")).toBeLessThanOrEqual(2);
    await page.close();

    const newTab = await office.context.newPage();
    await newTab.goto(office.endpoint.url);
    await newTab.getByText("The token is missing.").waitFor();
    await newTab.getByText("npx bridge console").waitFor();
    expect(await axeViolations(newTab)).toEqual([]);
    await newTab.getByLabel("Or paste the link").fill("not-the-token");
    await newTab.getByRole("button", { name: "Open" }).click();
    await newTab.getByText("The bridge does not accept this token.").waitFor();
    await newTab.goto(`${office.endpoint.url}/#token=${office.endpoint.token}`);
    await newTab.getByText("Connected").waitFor();
    expect(newTab.url()).not.toContain(office.endpoint.token);
    await newTab.close();
  });

  it.each([
    ["light", 1280],
    ["dark", 390],
  ] as const)("passes axe and fits the window in the %s theme at %i px", { timeout: 120_000 }, async (theme, width) => {
    const page = await office.open();
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    await page.setViewportSize({ width, height: 860 });
    await office.emit(policy(`axe-${theme}-${width}`, 60));
    const check = async (where: string, ready: string) => {
      await page.goto(`${office.endpoint.url}/#/${where}`);
      await page.locator(ready).first().waitFor();
      await page.locator(".skeleton").first().waitFor({ state: "detached" });
      expect(await axeViolations(page), where).toEqual([]);
      const overflowPx = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
      expect(overflowPx, `${where} is wider than the window`).toBeLessThanOrEqual(0);
    };

    for (const [where, ready] of [
      ["overview", "tbody tr"],
      ["packets?connector=GISTableConnector@v1", "tbody tr"],
      ["bulk", "form.bulk"],
      ["sheets", "tbody tr"],
      ["sheets/telework", ".editor"],
      ["jobs", ".jobs li"],
      ["jobs/replay", "form.start"],
      ["jobs/backfill", ".choices label"],
      ["ledger", ".sum"],
      ["events?type=policy.per_diem.updated", "tbody tr"],
      ["events?status=QUARANTINED", "tbody tr"],
      // An empty list in the light theme, an error in the dark one.
      theme === "light" ? ["packets?text=no-such-packet", ".empty"] : ["packets/pkt-aaaaaaaaaaaaaaaa", ".problem"],
    ] as const) {
      await check(where, ready);
    }
    await page.goto(`${office.endpoint.url}/#/packets?status=HELD`);
    await openHeldPacket(page, `axe-${theme}-${width}`);
    expect(await axeViolations(page), "packet page").toEqual([]);
    await page.getByRole("button", { name: "Edit" }).click();
    await page.getByLabel("Value (JSON)").fill("30");
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByRole("heading", { name: "Preview" }).waitFor();
    expect(await axeViolations(page), "edit form").toEqual([]);
    await page.getByRole("button", { name: "Discard" }).click();
    await page.getByRole("dialog").waitFor();
    expect(await axeViolations(page), "dialog").toEqual([]);
    await page.close();
  });

  it("keeps showing the last data while the bridge is down, asks for a new link after a restart, and continues with it", async () => {
    const page = await office.open("sheets");
    await rowOf(page, "per_diem").first().waitFor();
    expect(office.pageErrors).toEqual([]);

    await office.stop();
    await page.getByText("The bridge is not responding.").first().waitFor();
    await page.getByText("No connection").waitFor();
    expect(await rowOf(page, "per_diem").first().isVisible()).toBe(true);

    const { url, token } = await office.restart();
    await page.getByText("The session has ended.").waitFor();
    await page.getByText("npx bridge console").waitFor();
    expect(await axeViolations(page)).toEqual([]);
    await page.getByLabel("Or paste the link").fill(`${url}/#token=${token}`);
    await page.getByRole("button", { name: "Open" }).click();
    await rowOf(page, "per_diem").first().waitFor();
    expect(page.url()).toBe(`${url}/#/sheets`);
    await page.close();
  });
});
