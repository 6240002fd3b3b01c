import { App } from "aws-cdk-lib";
import { describe, expect, it } from "vitest";
import { enforceNist, exceptions } from "../../infra/cdk-nag.ts";
import { home } from "../support/home.ts";
import { addBridgeTo, regions, type Synthesized, synthesized } from "./templates.ts";

interface Report {
  readonly pluginReports: readonly {
    readonly conclusion: string;
    readonly violations: readonly { readonly ruleName: string }[];
    readonly suppressedViolations: readonly { readonly ruleName: string }[];
  }[];
}

/** Returns the rules that cdk-nag reported, split into violations and accepted exceptions. */
function reportOf({ report }: Synthesized) {
  const { pluginReports } = JSON.parse(report) as Report;
  expect(pluginReports).toHaveLength(1);
  const rules = (found: readonly { ruleName: string }[] = []) =>
    [...new Set(found.map(({ ruleName }) => ruleName.replace("NIST.800.53.R5-", "")))].sort();
  const [{ violations, suppressedViolations } = { violations: [], suppressedViolations: [] }] = pluginReports;
  return { found: rules(violations), excepted: rules(suppressedViolations) };
}

describe("NIST SP 800-53, revision 5", { timeout: 60_000 }, () => {
  it.each(regions)("all rules pass in %s apart from the exceptions, each of which is needed", async (region) => {
    const templates = await synthesized(region, {}, async (app) => {
      await addBridgeTo(app, region);
      enforceNist(app);
    });

    expect(reportOf(templates)).toEqual({ found: [], excepted: exceptions.map(({ rule }) => rule).sort() });
  });

  it("a violation without an exception makes the synthesis fail", async () => {
    const rest = exceptions.filter(({ rule }) => rule !== "DynamoDBInBackupPlan");
    using folder = home();
    const app = new App({ outdir: folder.path });
    await addBridgeTo(app, "us-gov-west-1");

    enforceNist(app, rest);

    expect(() => app.synth()).toThrow(/not in an AWS Backup plan/);
  });
});
