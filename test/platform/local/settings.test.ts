import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkSettings, configOf, readSettings } from "../../../platform/local/settings.ts";
import { home } from "../../support/home.ts";

describe("settings", () => {
  it("uses the defaults if the file is missing or empty", () => {
    using folder = home();
    writeFileSync(join(folder.path, "empty.yaml"), "");

    expect(readSettings(join(folder.path, "none.yaml"))).toEqual(readSettings(join(folder.path, "empty.yaml")));
    expect(readSettings(join(folder.path, "none.yaml")).times).toMatchObject({ probeMs: 60_000, sendMs: 5_000 });
  });

  it.each<[string, unknown, string]>([
    ["an unknown key", { conectors: {} }, "bridge.yaml: the settings: "],
    ["an unknown time", { times: { probe: 1 } }, "bridge.yaml: times: "],
    ["an invalid time", { times: { probeMs: "60s" } }, "bridge.yaml: times.probeMs: "],
    ["a time of zero", { times: { probeMs: 0 } }, "bridge.yaml: times.probeMs: "],
    ["an empty back-off", { times: { backoffMs: [] } }, "bridge.yaml: times.backoffMs: "],
    ["invalid settings of a connector", { connectors: { Fake: "x" } }, "bridge.yaml: connectors.Fake: "],
    ["an invalid governance URL", { governance: { url: "esq" } }, "bridge.yaml: governance.url: is not a URL such as"],
    [
      "a governance timeout that is too long",
      { governance: { url: "https://e.gov", timeoutMs: 60_000 } },
      "bridge.yaml: governance.timeoutMs: ",
    ],
    ["a list", [], "bridge.yaml: the settings: "],
    ["a text", "x", "bridge.yaml: the settings: "],
  ])("rejects %s and names its location", (_, raw, expected) => {
    expect(() => checkSettings(raw, "bridge.yaml")).toThrow(expected);
  });

  it("rejects a file that is not YAML, in a message of one line", () => {
    using folder = home();
    const file = join(folder.path, "bridge.yaml");
    writeFileSync(file, "connectors: [");

    expect(() => readSettings(file)).toThrow(/^[^\n]*bridge\.yaml: invalid YAML: [^\n]*$/);
  });

  it("finds a connector's settings by its id before its name", () => {
    const settings = checkSettings({ connectors: { Fake: { a: 1 }, "Fake@v2": { a: 2 } } }, "bridge.yaml");

    expect(configOf(settings, "Fake@v1")).toEqual({ a: 1 });
    expect(configOf(settings, "Fake@v2")).toEqual({ a: 2 });
    expect(configOf(settings, "Other@v1")).toBeUndefined();
  });

  it.each(["constructor", "toString@v1", "__proto__"])("has no settings for a connector called %s", (name) => {
    expect(configOf(checkSettings({}, "bridge.yaml"), name)).toBeUndefined();
  });
});
