import { App } from "aws-cdk-lib";
import { describe, expect, it } from "vitest";
import { exceptions, holdToNist } from "../../infra/cdk-nag.ts";
import { home } from "../support/home.ts";
import { addBridgeTo, regions, type Synthesized, synthesized } from "./templates.ts";

interface Report {
  readonly pluginReports: readonly {
    readonly conclusion: string;
    readonly violations: readonly { readonly ruleName: string }[];
    readonly suppressedViolations: readonly { readonly ruleName: string }[];
  }[];
}

/** What cdk-nag found, and what of it was excepted. */
function reportOf({ report }: Synthesized) {
  const { pluginReports } = JSON.parse(report) as Report;
  expect(pluginReports).toHaveLength(1);
  const rules = (found: readonly { ruleName: string }[] = []) =>
    [...new Set(found.map(({ ruleName }) => ruleName.replace("NIST.800.53.R5-", "")))].sort();
  const [{ violations, suppressedViolations } = { violations: [], suppressedViolations: [] }] = pluginReports;
  return { found: rules(violations), excepted: rules(suppressedViolations) };
}

describe("NIST SP 800-53, revision 5", { timeout: 60_000 }, () => {
  it.each(regions)("is kept in %s, but for the exceptions, and each of them is needed", async (region) => {
    const made = await synthesized(region, {}, async (app) => {
      await addBridgeTo(app, region);
      holdToNist(app);
    });

    expect(reportOf(made)).toEqual({ found: [], excepted: exceptions.map(({ rule }) => rule).sort() });
  });

  it("stops the synthesis where it is not kept", async () => {
    const rest = exceptions.filter(({ rule }) => rule !== "DynamoDBInBackupPlan");
    using folder = home();
    const app = new App({ outdir: folder.path });
    await addBridgeTo(app, "us-gov-west-1");

    holdToNist(app, rest);

    expect(() => app.synth()).toThrow(/not in an AWS Backup plan/);
  });
});
