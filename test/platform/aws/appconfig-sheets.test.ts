import { AppConfigDataClient } from "@aws-sdk/client-appconfigdata";
import { describe, expect, it, vi } from "vitest";
import { readSheet } from "../../../bridge/mapping/sheet-file.ts";
import type { LogLine } from "../../../bridge/observability/log.ts";
import { AppConfigSheets } from "../../../platform/aws/appconfig-sheets.ts";
import { packSet } from "../../../platform/aws/sheet-bundle.ts";
import { type AppConfigServer, appConfigServer } from "../../support/appconfig-server.ts";
import { ManualClock, until } from "../../support/clock.ts";

const file = "mappings/per_diem.yaml";

/** A set of one sheet, as it is shipped. */
function aSet(to: string): string {
  const text = `source_event: rate.changed\ntargets: { hr: { connector: HR, map: { rate: ${to} } } }`;
  const reading = readSheet(file, text);
  if (!reading.ok) throw new Error(text);
  const bytes = packSet({ sheets: [{ file, sheet: reading.sheet }], policy: { otherwise: "block", rules: [] } });
  return new TextDecoder().decode(bytes);
}

/** Sheets of a deployment whose first set maps to `one`. */
async function opened(server: AppConfigServer) {
  const clock = new ManualClock();
  const lines: LogLine[] = [];
  const given = options(server, clock, lines);
  const send = vi.spyOn(given.client, "send");
  const sheets = await AppConfigSheets.open(given);
  return {
    sheets,
    clock,
    lines,
    /** Calls begun, a session's first included. */
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

describe("the sheets in AppConfig", () => {
  it("provides sheets and policy as soon as it is open", async () => {
    await using server = await appConfigServer();
    server.putInForce(aSet("one"));

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
    server.putInForce(aSet("one"));
    const { sheets, clock, mapsTo } = await opened(server);
    server.putInForce(aSet("two"));

    clock.set(clock.now() + 15_000);
    await sheets.refresh();

    expect(mapsTo()).toBe("one");
    await until(() => mapsTo() === "two");
  });

  it("polls no more often than AppConfig allows, and once at a time", async () => {
    await using server = await appConfigServer();
    server.putInForce(aSet("one"));
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

  it("polls before the first event of a function that has slept, so that it does not map by old sheets", async () => {
    await using server = await appConfigServer();
    server.putInForce(aSet("one"));
    const { sheets, clock, mapsTo } = await opened(server);
    server.putInForce(aSet("two"));

    clock.set(clock.now() + 3_600_000);
    await sheets.refresh();

    expect(mapsTo()).toBe("two");
  });

  it("continues with the sheets at hand after a second if AppConfig does not answer", async () => {
    await using server = await appConfigServer();
    server.putInForce(aSet("one"));
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
    ["no JSON", "{"],
    ["of another shape", '{"sheets":[{"file":"mappings/a.yaml"}],"policy":{}}'],
    ["with an expression that does not compile", aSet("two").replace('"two"', '{"to":"two","with":"$$("}')],
    ["with a key this version does not know", aSet("two").replace('"send"', '"speed":9,"send"')],
  ])("stay as they were where the new set is %s, and the log says why", async (_, bad) => {
    await using server = await appConfigServer();
    server.putInForce(aSet("one"));
    const { sheets, clock, mapsTo, lines } = await opened(server);
    server.putInForce(bad);

    clock.set(clock.now() + 3_600_000);
    await sheets.refresh();

    expect(mapsTo()).toBe("one");
    expect(lines.at(-1)).toMatchObject({ step: "sheets-refused", faults: expect.stringMatching(/\w/) });
  });

  it("stay as they were while AppConfig fails, and are asked for by a new session afterwards", async () => {
    await using server = await appConfigServer();
    server.putInForce(aSet("one"));
    const { sheets, clock, mapsTo, steps } = await opened(server);
    server.putInForce(aSet("two"));
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

  it("opens a new session after a day of sleep, when the old one has expired", async () => {
    await using server = await appConfigServer();
    server.putInForce(aSet("one"));
    const { sheets, clock, mapsTo } = await opened(server);
    server.expireSessions();
    server.putInForce(aSet("two"));

    clock.set(clock.now() + 26 * 3_600_000);
    await sheets.refresh();

    expect(mapsTo()).toBe("two");
  });
});

describe("a deployment without sheets", () => {
  it.each([
    ["none were deployed yet", () => {}],
    ["the set is not JSON", (server: AppConfigServer) => server.putInForce("{")],
  ])("says so where %s, and what to do: its events wait in the inbox", async (why, prepare) => {
    await using server = await appConfigServer();
    prepare(server);

    await expect(AppConfigSheets.open(options(server))).rejects.toThrow(
      new RegExp(`^hms-bridge has no sheets in force: ${why}.*; run npm run deploy:mappings$`),
    );
  });

  it("says so where the mappings stack is not there at all", async () => {
    await using server = await appConfigServer();

    await expect(AppConfigSheets.open({ ...options(server), deployment: "hms-other" })).rejects.toThrow(
      "hms-other has no sheets in force: none were deployed yet; run npm run deploy:mappings",
    );
  });

  it("does not mistake a failing AppConfig for none", async () => {
    await using server = await appConfigServer();
    server.failing = 500;

    await expect(AppConfigSheets.open(options(server))).rejects.not.toThrow(/no sheets in force/);
  });
});
