import { AppConfigDataClient } from "@aws-sdk/client-appconfigdata";
import { describe, expect, it, vi } from "vitest";
import { readSheet } from "../../../bridge/mapping/sheet-file.ts";
import type { LogLine } from "../../../bridge/observability/log.ts";
import { AppConfigSheets } from "../../../platform/aws/appconfig-sheets.ts";
import { packSet } from "../../../platform/aws/sheet-bundle.ts";
import { type AppConfigServer, appConfigServer } from "../../support/appconfig-server.ts";
import { ManualClock, until } from "../../support/clock.ts";

const file = "mappings/per_diem.yaml";

/** Returns a bundle of one sheet, as it is deployed. */
function aBundle(to: string): string {
  const text = `source_event: rate.changed\ntargets: { hr: { connector: HR, map: { rate: ${to} } } }`;
  const reading = readSheet(file, text);
  if (!reading.ok) throw new Error(text);
  const bytes = packSet({ sheets: [{ file, sheet: reading.sheet }], policy: { otherwise: "block", rules: [] } });
  return new TextDecoder().decode(bytes);
}

/** Opens the sheets of a deployment and observes its calls and log. */
async function opened(server: AppConfigServer) {
  const clock = new ManualClock();
  const lines: LogLine[] = [];
  const settings = options(server, clock, lines);
  const send = vi.spyOn(settings.client, "send");
  const sheets = await AppConfigSheets.open(settings);
  return {
    sheets,
    clock,
    lines,
    /** Returns the number of calls started, including the one that opens a session. */
    sent: () => send.mock.calls.length,
    mapsTo: () => sheets.current.sheets[0]?.targets[0]?.fields[0]?.to,
    polls: () => server.calls.filter((call) => call === "GetLatestConfiguration").length,
    steps: () => lines.map(({ step }) => step),
  };
}

function options(server: AppConfigServer, clock = new ManualClock(), lines: LogLine[] = []) {
  const client = new AppConfigDataClient({
    endpoint: server.url,
    region: "us-gov-west-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
    maxAttempts: 1,
  });
  return { client, deployment: "hms-bridge", clock, log: (line: LogLine) => lines.push(line) };
}

describe("sheets in AppConfig", () => {
  it("provides sheets and policy as soon as it is open", async () => {
    await using server = await appConfigServer();
    server.putInForce(aBundle("one"));

    const { sheets, mapsTo } = await opened(server);

    expect(mapsTo()).toBe("one");
    expect(sheets.current.byType.get("rate.changed")).toHaveLength(1);
    expect(sheets.current.policy).toEqual({ otherwise: "block", rules: [] });
    expect(JSON.parse(server.bodies[0]?.body ?? "")).toEqual({
      ApplicationIdentifier: "hms-bridge",
      EnvironmentIdentifier: "live",
      ConfigurationProfileIdentifier: "sheets",
      RequiredMinimumPollIntervalInSeconds: 15,
    });
  });

  it("loads new sheets while no event waits", async () => {
    await using server = await appConfigServer();
    server.putInForce(aBundle("one"));
    const { sheets, clock, mapsTo } = await opened(server);
    server.putInForce(aBundle("two"));

    clock.set(clock.now() + 15_000);
    await sheets.refresh();

    expect(mapsTo()).toBe("one");
    await until(() => mapsTo() === "two");
  });

  it("polls no more often than AppConfig allows and never concurrently", async () => {
    await using server = await appConfigServer();
    server.putInForce(aBundle("one"));
    const { sheets, clock, sent, polls } = await opened(server);

    for (let i = 0; i < 5; i++) await sheets.refresh();
    clock.set(clock.now() + 14_999);
    await sheets.refresh();
    const early = sent();
    clock.set(clock.now() + 1);
    await Promise.all([sheets.refresh(), sheets.refresh(), sheets.refresh()]);
    await until(() => polls() === 2);

    expect([early, sent()]).toEqual([2, 3]);
    expect(server.calls.filter((call) => call === "StartConfigurationSession")).toHaveLength(1);
  });

  it("polls before the first event after an idle period, so that it does not map with old sheets", async () => {
    await using server = await appConfigServer();
    server.putInForce(aBundle("one"));
    const { sheets, clock, mapsTo } = await opened(server);
    server.putInForce(aBundle("two"));

    clock.set(clock.now() + 3_600_000);
    await sheets.refresh();

    expect(mapsTo()).toBe("two");
  });

  it("continues with the sheets at hand after a second if AppConfig does not answer", async () => {
    await using server = await appConfigServer();
    server.putInForce(aBundle("one"));
    const { sheets, clock, mapsTo, polls } = await opened(server);
    server.silent = true;
    clock.set(clock.now() + 3_600_000);
    let done = false;

    const refreshed = sheets.refresh().then(() => {
      done = true;
    });
    await until(() => polls() === 2);
    await clock.advance(999);
    const early = done;
    await clock.advance(1);
    await refreshed;

    expect(early).toBe(false);
    expect(mapsTo()).toBe("one");
  });

  it.each([
    ["not JSON", "{"],
    ["invalid", '{"sheets":[{"file":"mappings/a.yaml"}],"policy":{}}'],
    ["broken by an expression that does not compile", aBundle("two").replace('"two"', '{"to":"two","with":"$$("}')],
    ["broken by an unknown key", aBundle("two").replace('"send"', '"speed":9,"send"')],
  ])("keeps the previous sheets if the new bundle is %s, and logs the reason", async (_, bad) => {
    await using server = await appConfigServer();
    server.putInForce(aBundle("one"));
    const { sheets, clock, mapsTo, lines } = await opened(server);
    server.putInForce(bad);

    clock.set(clock.now() + 3_600_000);
    await sheets.refresh();

    expect(mapsTo()).toBe("one");
    expect(lines.at(-1)).toMatchObject({ step: "sheets-refused", faults: expect.stringMatching(/\w/) });
  });

  it("keeps the previous sheets while AppConfig fails, then loads the new ones with a new session", async () => {
    await using server = await appConfigServer();
    server.putInForce(aBundle("one"));
    const { sheets, clock, mapsTo, steps } = await opened(server);
    server.putInForce(aBundle("two"));
    server.failing = 500;
    clock.set(clock.now() + 3_600_000);
    await sheets.refresh();
    const during = mapsTo();

    server.failing = undefined;
    clock.set(clock.now() + 15_000);
    await sheets.refresh();

    expect(during).toBe("one");
    expect(mapsTo()).toBe("two");
    expect(steps()).toEqual(["sheets-taken-up", "sheets-not-asked", "sheets-taken-up"]);
  });

  it("opens a new session once the previous one has expired", async () => {
    await using server = await appConfigServer();
    server.putInForce(aBundle("one"));
    const { sheets, clock, mapsTo } = await opened(server);
    server.expireSessions();
    server.putInForce(aBundle("two"));

    clock.set(clock.now() + 26 * 3_600_000);
    await sheets.refresh();

    expect(mapsTo()).toBe("two");
  });
});

describe("deployment without sheets", () => {
  it.each([
    ["none were deployed yet", () => {}],
    ["the set is not JSON", (server: AppConfigServer) => server.putInForce("{")],
  ])("fails with the fix if %s, so that events wait in the inbox", async (why, prepare) => {
    await using server = await appConfigServer();
    prepare(server);

    await expect(AppConfigSheets.open(options(server))).rejects.toThrow(
      new RegExp(`^hms-bridge has no sheets in force: ${why}.*; run npm run deploy:mappings$`),
    );
  });

  it("fails with the fix if the mappings stack does not exist", async () => {
    await using server = await appConfigServer();

    await expect(AppConfigSheets.open({ ...options(server), deployment: "hms-other" })).rejects.toThrow(
      "hms-other has no sheets in force: none were deployed yet; run npm run deploy:mappings",
    );
  });

  it("distinguishes a failing AppConfig from missing sheets", async () => {
    await using server = await appConfigServer();
    server.failing = 500;

    await expect(AppConfigSheets.open(options(server))).rejects.not.toThrow(/no sheets in force/);
  });
});
