import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { regions, type Synthesized, templatesFor, text } from "./templates.ts";

const runbook = readFileSync("docs/runbook.md", "utf8");
/** Kinds of alarms that have a section in the runbook. */
const documented = [...runbook.matchAll(/^## `([a-z-]+)`$/gm)].map(([, kind]) => kind as string);

/** Matches the start of an alarm's name: the deployment, followed by the connector if the alarm belongs to one. */
const prefix = /^hms-bridge-(?:[A-Z]\w*-v\d+-)?/;

describe.each(regions)("alarms in %s", (region) => {
  let templates: Synthesized;
  beforeAll(async () => {
    templates = await templatesFor(region);
  });
  const alarms = () => templates.of("AWS::CloudWatch::Alarm").map(({ Properties }) => Properties);

  it("the runbook has a section for each alarm and no others", () => {
    const kinds = new Set(alarms().map(({ AlarmName }) => String(AlarmName).replace(prefix, "")));

    expect([...kinds].sort()).toEqual([...documented].sort());
  });

  it("every alarm notifies the same topic when it fires and when it clears, and names its runbook section", () => {
    for (const { AlarmName, AlarmActions, OKActions, AlarmDescription } of alarms()) {
      expect(AlarmActions).toHaveLength(1);
      expect(OKActions).toEqual(AlarmActions);
      expect(AlarmDescription).toMatch(new RegExp(`docs/runbook\\.md, ${String(AlarmName).replace(prefix, "")}\\.$`));
    }
    for (const { AlarmActions } of alarms()) expect(text(AlarmActions)).toMatch(/pathAlarms|"Alarms/);
  });

  it("missing data raises no alarm except for sealing, so an idle bridge pages nobody", () => {
    const alarming = alarms().filter(({ TreatMissingData }) => TreatMissingData !== "notBreaching");

    // Sealing reports every run, even if there was nothing to seal.
    expect(alarming.map(({ AlarmName }) => AlarmName)).toEqual(["hms-bridge-ledger-not-sealed"]);
  });

  it("every connector has alarms for its lane, outbox, functions, target, consistency window and held packets", () => {
    const ofPayroll = alarms().filter(({ AlarmName }) => AlarmName.includes("PayrollConnector"));

    expect(ofPayroll.map(({ AlarmName }) => AlarmName.replace(prefix, "")).sort()).toEqual([
      "connector-failing",
      "lane-waits",
      "outbox-waits",
      "packets-held",
      "probe-failing",
      "target-down",
      "window-breached",
    ]);
    for (const { Dimensions, Namespace } of ofPayroll) {
      if (Namespace === "HmsSyncBridge") {
        expect(Dimensions).toEqual([
          { Name: "connector", Value: "PayrollConnector@v1" },
          { Name: "service", Value: "hms-bridge" },
        ]);
      } else expect(text(Dimensions)).toMatch(/Queue|Function/);
    }
  });
});
