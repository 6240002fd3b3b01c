import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { regions, type Synthesized, templatesFor, text } from "./templates.ts";

const runbook = readFileSync("docs/runbook.md", "utf8");
/** The alarms the runbook speaks of: its headings in code. */
const explained = [...runbook.matchAll(/^## `([a-z-]+)`$/gm)].map(([, kind]) => kind as string);

/** What comes before the kind in an alarm's name: the deployment, and a connector where it is one's own. */
const prefix = /^hms-bridge-(?:[A-Z]\w*-v\d+-)?/;

describe.each(regions)("the alarms for %s", (region) => {
  let made: Synthesized;
  beforeAll(async () => {
    made = await templatesFor(region);
  });
  const alarms = () => made.of("AWS::CloudWatch::Alarm").map(({ Properties }) => Properties);

  it("each have a section in the runbook, which speaks of no other", () => {
    const kinds = new Set(alarms().map(({ AlarmName }) => String(AlarmName).replace(prefix, "")));

    expect([...kinds].sort()).toEqual([...explained].sort());
  });

  it("tell one topic when they begin and when they are over, and where to read on", () => {
    for (const { AlarmName, AlarmActions, OKActions, AlarmDescription } of alarms()) {
      expect(AlarmActions).toHaveLength(1);
      expect(OKActions).toEqual(AlarmActions);
      expect(AlarmDescription).toMatch(new RegExp(`docs/runbook\\.md, ${String(AlarmName).replace(prefix, "")}\\.$`));
    }
    for (const { AlarmActions } of alarms()) expect(text(AlarmActions)).toMatch(/pathAlarms|"Alarms/);
  });

  it("take silence for quiet: a bridge with nothing to do wakes nobody", () => {
    const loud = alarms().filter(({ TreatMissingData }) => TreatMissingData !== "notBreaching");

    // Sealing says each time that it was done, also of nothing.
    expect(loud.map(({ AlarmName }) => AlarmName)).toEqual(["hms-bridge-ledger-not-sealed"]);
  });

  it("watch each connector: its lane, its outbox, its functions, its target, its windows and what it holds", () => {
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
