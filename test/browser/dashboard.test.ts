import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chromiumPath, noChromium } from "./chromium.ts";
import { anOffice, axeFaults, type Office } from "./office.ts";

if (chromiumPath === undefined) console.warn(`The Sync Dashboard is not tested: ${noChromium}.`);

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
const held = (page: Page, entity: string) => rowOf(page, entity).filter({ hasText: "Held" });
const openHeld = async (page: Page, entity: string) => {
  await held(page, entity).getByRole("link").first().click();
  await page.getByRole("button", { name: "Edit" }).waitFor();
};

describe.skipIf(chromiumPath === undefined)("the operator's day at the Sync Dashboard", () => {
  let office: Office;
  beforeAll(async () => {
    office = await anOffice();
  });
  afterAll(() => office?.[Symbol.asyncDispose]());

  it("shows an outage as it comes and goes: down, the outbox filling, up again, the outbox empty", async () => {
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
    await page.getByText("As a table").click();
    await page.getByRole("region", { name: "Lag of" }).getByRole("row").nth(1).waitFor();
    await page.close();
  });

  it("lets a person mend a held packet: the target's answer, the diff, and then it is sent", async () => {
    await office.emit(policy("p-long", 96));
    const page = await office.open("packets?status=HELD");
    await openHeld(page, "p-long");
    await page.getByText("flex_time must be at most 40").waitFor();

    await page.getByRole("button", { name: "Edit" }).click();
    await page.getByLabel("Value, as JSON").fill("fourty");
    expect(await page.getByRole("button", { name: "Preview" }).isDisabled()).toBe(true);
    await page.getByLabel("Value, as JSON").fill("40");
    await page.getByRole("button", { name: "Preview" }).click();
    await page.locator(".preview", { hasText: "96becomes40" }).waitFor();
    expect(office.hr.effects().filter(({ body }) => JSON.stringify(body).includes("p-long"))).toHaveLength(1);
    await page.getByLabel("Reason").fill("the limit is 40 hours");
    await page.getByRole("button", { name: "Send in its place" }).click();

    await page.getByRole("heading", { name: "Sent" }).waitFor();
    await page.getByText("the limit is 40 hours").waitFor();
    expect(office.hr.received.at(-1)?.body).toMatchObject({ flex_time: 40, external_id: "p-long" });
    await page.getByRole("definition").getByRole("link", { name: /^pkt-/ }).click();
    await page.getByRole("heading", { name: "Superseded" }).waitFor();
    await page.close();
  });

  it("tells the second of two editors that the first was faster, and keeps what they typed", async () => {
    await office.emit(policy("p-two", 80));
    const first = await office.open("packets?status=HELD");
    const second = await office.open("packets?status=HELD");
    for (const page of [first, second]) {
      await openHeld(page, "p-two");
      await page.getByRole("button", { name: "Edit" }).click();
      await page.getByLabel("Reason").fill("mended");
    }
    await first.getByLabel("Value, as JSON").fill("20");
    await second.getByLabel("Value, as JSON").fill("30");

    await first.getByRole("button", { name: "Send in its place" }).click();
    await first.getByRole("heading", { name: "Sent" }).waitFor();
    // What they see above has moved on by now; what they began with has not.
    await second.getByRole("heading", { name: "Superseded" }).waitFor();
    await second.getByRole("button", { name: "Send in its place" }).click();

    await second.getByText("Somebody else was faster.").waitFor();
    expect(await second.getByLabel("Value, as JSON").inputValue()).toBe("30");
    await second.getByRole("button", { name: "Show it as it stands now" }).click();
    await second.getByRole("heading", { name: "Fields" }).waitFor();
    expect(office.hr.effects().filter(({ body }) => JSON.stringify(body).includes('"flex_time":30'))).toEqual([]);
    await Promise.all([first.close(), second.close()]);
  });

  it("discards with a reason, replays a sent one, and pauses and resumes a connector", async () => {
    await office.emit(policy("p-drop", 70));
    const page = await office.open("packets?status=HELD");
    await openHeld(page, "p-drop");
    await page.getByRole("button", { name: "Discard" }).click();
    const dialog = page.getByRole("dialog");
    expect(await dialog.getByRole("button", { name: "Discard" }).isDisabled()).toBe(true);
    await dialog.getByLabel("Reason").fill("a duplicate");
    await dialog.getByRole("button", { name: "Discard" }).click();
    await page.getByRole("heading", { name: "Discarded" }).waitFor();

    await page.goto(`${office.door.url}/#/packets?status=SENT`);
    await rowOf(page, "p-long").getByRole("link").first().click();
    await page.getByRole("button", { name: "Replay" }).click();
    await dialog.getByText("Force").click();
    await dialog.getByLabel("Reason").fill("restored from a backup");
    const before = office.hr.received.length;
    await dialog.getByRole("button", { name: "Replay" }).click();
    await page.getByText("Replay of").waitFor();
    await page.getByRole("heading", { name: "Sent" }).waitFor();
    expect(office.hr.received.length).toBe(before + 1);

    await page.goto(`${office.door.url}/#/overview`);
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
    await page.getByText("PayrollConnector@v1 is awake.").waitFor();
    await page.close();
  });

  it("does the same to all that fit a filter, after a look at how many they are", async () => {
    for (const id of ["bulk-1", "bulk-2", "bulk-3"]) await office.emit(policy(id, 90));
    const page = await office.open("packets?status=HELD&text=PolicyApproved");
    await rowOf(page, "bulk-3").waitFor();
    await page.getByRole("link", { name: "Bulk on this filter" }).click();

    await page.getByLabel("Discard").check();
    await page.getByLabel("Reason").fill("withdrawn by the policy desk");
    expect(await page.getByRole("button", { name: "Discard them" }).isDisabled()).toBe(true);
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByText("3 packets of 3 would be discarded").waitFor();
    await page.getByRole("button", { name: "Discard them: 3" }).click();

    await page.locator(".jobs li", { hasText: "Bulk act" }).getByText("Done").waitFor();
    await page.goto(`${office.door.url}/#/packets?status=HELD`);
    await page.getByText("No packet fits these filters").waitFor();
    await page.close();
  });

  it("back-fills from a file: previewed with what is wrong in it, begun at a rate, and watched to its end", async () => {
    const lines = Array.from({ length: 240 }, (_, i) =>
      JSON.stringify({ id: `old-${i}`, source: "hms.policy", time: "2026-10-01T00:00:00Z", ...policy(`old-${i}`, 8) }),
    );
    office.write("rosters/policies.ndjson", `${lines.join("\n")}\nno event\n`);
    const page = await office.open("jobs");
    await page.getByRole("link", { name: "Back-fill" }).click();

    await page.getByLabel("A snapshot").check();
    await page.getByLabel("The file's address").fill(office.addressOf("rosters/nowhere.ndjson"));
    expect(await page.getByRole("button", { name: "Preview" }).isDisabled()).toBe(true);
    await page.getByLabel("telework.hr").check();
    await page.getByRole("button", { name: "Preview" }).click();
    await page
      .getByText("The file cannot be read. It must be in a folder that bridge.yaml lists under places.")
      .waitFor();
    await page.getByLabel("The file's address").fill(office.addressOf("rosters/policies.ndjson"));
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByText("240 packets would be made of 241 events").waitFor();
    await page.getByText("line 241: is not JSON").waitFor();
    expect(await page.getByRole("row", { name: /telework\.hr/ }).innerText()).toMatch(/240\s+0\s+0/);
    await page.getByLabel("Packets a second").fill("120");
    await page.getByRole("button", { name: "Back-fill them" }).click();

    const job = page.locator(".jobs li", { hasText: "Back-fill" });
    await job.getByText("Running").waitFor();
    await job.getByRole("progressbar").waitFor();
    await job.getByText("Done").waitFor();

    await job.locator("div", { hasText: "Packets made" }).getByText("240").first().waitFor();
    await job.getByText("1 line is malformed: line 241: is not JSON").waitFor();
    await page.close();
  });

  it("replays a past time: previewed with what would become of it, then begun as a job", async () => {
    const page = await office.open("jobs/replay");
    await page.getByLabel("Connector").selectOption("PayrollConnector@v1");
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByText("the target holds already").waitFor();
    const before = office.payroll.received.length;

    await page.getByLabel("Send all the same").check();
    expect(await page.getByRole("button", { name: "Replay them" }).isDisabled()).toBe(true);
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByRole("button", { name: "Replay them" }).click();

    await page.locator(".jobs li", { hasText: "Replay" }).getByText("Done").waitFor();
    await expect.poll(() => office.payroll.received.length).toBeGreaterThan(before);
    await page.close();
  });

  it("lists what is quarantined by itself, with the reasons, and shows how it begins", async () => {
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

  it("tries a changed sheet on recorded events, shows what would differ, and takes nothing up", async () => {
    const page = await office.open("sheets");
    await page.getByRole("link", { name: "per_diem" }).click();
    const text = page.getByLabel("The sheet's text");
    const inForce = await text.inputValue();

    await text.fill(inForce.replace("connector: PayrollConnector", "connector: Nobody"));
    await page.getByText(/line \d+: .*Nobody/).waitFor();
    expect(await page.getByRole("button", { name: "Try" }).isDisabled()).toBe(true);
    await text.fill(inForce.replace("dailyRate", "dailyRateUSD"));
    await page.getByText("No faults").waitFor();
    await page.getByLabel("Event", { exact: true }).selectOption({ label: "The last 10 recorded" });
    await page.getByRole("button", { name: "Try" }).click();

    await page.getByText(/^\d+ events tried; the edited copy makes other packets of \d+/).waitFor();
    const tried = page.locator(".tried li").first();
    await tried.getByText("dailyRateUSD").waitFor();
    await tried.getByText("not sent").waitFor();
    await page.getByRole("button", { name: "Back to the one in force" }).click();
    expect(await text.inputValue()).toBe(inForce);
    await page.close();
  });

  it("verifies the ledger, and shows that nothing was lost", async () => {
    const page = await office.open("ledger");
    await page.getByRole("button", { name: "Verify the ledger" }).click();
    await page.getByText("The ledger is whole").waitFor();
    await page.getByRole("row", { name: /events received/ }).waitFor();
    await page.close();
  });

  it("shows what became of an event", async () => {
    const page = await office.open("events?type=policy.per_diem.updated");
    await rowOf(page, "policy.per_diem.updated").first().getByRole("link").click();
    await page.getByRole("heading", { name: "Data" }).waitFor();
    await page.getByRole("heading", { name: "Expanded" }).waitFor();
    await rowOf(page, "PayrollConnector@v1").first().waitFor();
    await page.close();
  });

  it("leaves what one reads where it is: newer packets wait behind a button, and rows change in their place", async () => {
    await office.emit(rate("fairhaven", 66));
    const page = await office.open("packets");
    await rowOf(page, "fairhaven").nth(1).waitFor();
    await page.keyboard.press("j");
    const first = await page.locator("tbody tr").first().innerText();

    await office.emit(rate("dunmore", 77));

    await page.getByRole("button", { name: "2 newer packets: show" }).waitFor();
    expect((await page.locator("tbody tr").first().innerText()).slice(0, 30)).toBe(first.slice(0, 30));
    await page.getByRole("button", { name: "2 newer packets: show" }).click();
    await rowOf(page, "dunmore").first().waitFor();
    await page.close();
  });

  it("shows in no list what looks like personal data, and on the packet's own page shows it", async () => {
    const who = "jana.novakova@agency.example";
    await office.emit({ ...rate(who, 81), data: { new_rate: 81, old_rate: 80 } });
    const page = await office.open("packets");
    const row = rowOf(page, "@agency.example").or(rowOf(page, "***")).first();
    await row.waitFor();

    for (const screen of ["overview", "packets", "bulk", "jobs", "events", "ledger", "sheets"]) {
      await page.goto(`${office.door.url}/#/${screen}`);
      await page.locator(".skeleton").first().waitFor({ state: "detached" });
      expect(await page.content(), screen).not.toContain(who);
    }
    await page.goto(`${office.door.url}/#/packets`);
    await row.getByRole("link").first().click();
    await page.getByText(who).waitFor();
    await page.close();
  });

  it("is all done by keys: filter, move, open, back, help", async () => {
    const page = await office.open("packets");
    await page.locator("tbody tr").nth(3).waitFor();

    await page.keyboard.press("/");
    await page.keyboard.type("clearwater");
    await page.keyboard.press("Escape");
    await expect.poll(() => page.url()).toContain("text=clearwater");
    await page.goto(`${office.door.url}/#/packets`);
    await page.locator("tbody tr").nth(3).waitFor();
    for (const key of ["j", "j", "k"]) await page.keyboard.press(key);
    const chosen = await page.locator(":focus").innerText();
    expect(chosen).toBe(await page.locator("tbody tr a").first().innerText());
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: chosen }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("heading", { name: "Packets" }).waitFor();

    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keys" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.keyboard.press("g");
    await page.keyboard.press("l");
    await page.getByRole("heading", { name: "Ledger" }).waitFor();
    await page.reload();
    await page.getByText("Connected").waitFor();
    await page.keyboard.press("Tab");
    expect(await page.locator(":focus").innerText()).toBe("Skip to the content");
    await page.close();
  });

  it("goes on by itself when the bridge answers again, also where it looks only once", async () => {
    const page = await office.open("sheets");
    await page.getByRole("link", { name: "per_diem" }).waitFor();

    await office.context.setOffline(true);
    await page.getByRole("link", { name: "per_diem" }).click();
    await page.getByText("The bridge does not answer.").waitFor();
    await page.getByText("No answer").waitFor();
    await office.context.setOffline(false);

    await page.getByLabel("The sheet's text").waitFor();
    await page.getByText("The bridge answers again.").waitFor();
    await page.close();
  });

  it("has the token in no address, and says what to do where it is missing or wrong", async () => {
    const page = await office.open();
    expect(page.url()).not.toContain(office.door.token);
    expect(await page.evaluate("history.length")).toBeLessThanOrEqual(2);
    await page.close();

    const stranger = await office.context.newPage();
    await stranger.goto(office.door.url);
    await stranger.getByText("The token is missing.").waitFor();
    await stranger.getByText("npx bridge console").waitFor();
    expect(await axeFaults(stranger)).toEqual([]);
    await stranger.getByLabel("Or paste the link").fill("not-the-token");
    await stranger.getByRole("button", { name: "Open" }).click();
    await stranger.getByText("The bridge does not know this token.").waitFor();
    await stranger.goto(`${office.door.url}/#token=${office.door.token}`);
    await stranger.getByText("Connected").waitFor();
    expect(stranger.url()).not.toContain(office.door.token);
    await stranger.close();
  });

  it.each([
    ["light", 1280],
    ["dark", 390],
  ] as const)(
    "has nothing axe finds, in %s at %i px, and nothing beyond its width",
    { timeout: 120_000 },
    async (theme, width) => {
      const page = await office.open();
      await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
      await page.setViewportSize({ width, height: 860 });
      await office.emit(policy(`axe-${theme}-${width}`, 60));
      const visit = async (where: string, ready: string) => {
        await page.goto(`${office.door.url}/#/${where}`);
        await page.locator(ready).first().waitFor();
        await page.locator(".skeleton").first().waitFor({ state: "detached" });
        expect(await axeFaults(page), where).toEqual([]);
        const beyond = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
        expect(beyond, `${where} is wider than the window`).toBeLessThanOrEqual(0);
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
        // An empty and a faulty screen: each in one theme.
        theme === "light"
          ? ["packets?text=nothing-is-called-so", ".empty"]
          : ["packets/pkt-aaaaaaaaaaaaaaaa", ".fault"],
      ] as const) {
        await visit(where, ready);
      }
      await page.goto(`${office.door.url}/#/packets?status=HELD`);
      await openHeld(page, `axe-${theme}-${width}`);
      expect(await axeFaults(page), "a packet").toEqual([]);
      await page.getByRole("button", { name: "Edit" }).click();
      await page.getByLabel("Value, as JSON").fill("30");
      await page.getByRole("button", { name: "Preview" }).click();
      await page.getByText("What it would come to").waitFor();
      expect(await axeFaults(page), "its edit").toEqual([]);
      await page.getByRole("button", { name: "Discard" }).click();
      await page.getByRole("dialog").waitFor();
      expect(await axeFaults(page), "a dialog").toEqual([]);
      await page.close();
    },
  );

  it("shows what was known when the bridge goes, says that the session has ended when it is back, and goes on by its new link", async () => {
    const page = await office.open("sheets");
    await rowOf(page, "per_diem").first().waitFor();
    expect(office.complaints).toEqual([]);

    await office.stop();
    await page.getByText("The bridge does not answer.").first().waitFor();
    await page.getByText("No answer").waitFor();
    expect(await rowOf(page, "per_diem").first().isVisible()).toBe(true);

    const { url, token } = await office.restart();
    await page.getByText("The session has ended.").waitFor();
    await page.getByText("npx bridge console").waitFor();
    expect(await axeFaults(page)).toEqual([]);
    await page.getByLabel("Or paste the link").fill(`${url}/#token=${token}`);
    await page.getByRole("button", { name: "Open" }).click();
    await rowOf(page, "per_diem").first().waitFor();
    expect(page.url()).toBe(`${url}/#/sheets`);
    await page.close();
  });
});
