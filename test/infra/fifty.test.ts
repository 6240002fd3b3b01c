import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { type Connector, defineConnector } from "../../bridge/model/connector.ts";
import { delivered } from "../../bridge/model/outcome.ts";
import { bundle, projectRoot } from "../../infra/bundle.ts";
import { PathStack } from "../../infra/path-stack.ts";
import { readSettings } from "../../infra/settings.ts";
import { StateStack } from "../../infra/state-stack.ts";
import { home } from "../support/home.ts";
import { account, type Synthesized, synthesized, text } from "./templates.ts";

const region = "us-gov-west-1";

/** The most connectors a deployment must support, with long names and a secret each. */
const connectors: readonly Connector[] = Array.from({ length: 50 }, (_, i) =>
  defineConnector({
    name: `AgencyOfficeNumber${String(i).padStart(2, "0")}Connector`,
    idempotent: true,
    config: z.strictObject({}),
    secret: z.strictObject({ token: z.string() }),
    send: async () => delivered(),
    probe: async () => true,
  } as Parameters<typeof defineConnector>[0]),
);

interface Widget {
  readonly type: string;
  readonly properties: { readonly title?: string; readonly metrics?: readonly unknown[] };
}

describe("bridge with 50 connectors", () => {
  let templates: Synthesized;
  let synthSeconds: number;
  beforeAll(async () => {
    using folder = home();
    const file = join(projectRoot, "connectors/payroll.ts");
    const code = await bundle({ entry: "functions/connector.ts", connectorFile: file, outDir: folder.path });
    const started = performance.now();
    templates = await synthesized(region, {}, (app) => {
      const settings = readSettings((key) => app.node.tryGetContext(key));
      const env = { account, region };
      new StateStack(app, "state", { settings, env });
      const lanes = connectors.map((connector) => ({ connector, file, config: {}, bundle: code }));
      new PathStack(app, "path", { settings, mapper: code, ops: code, inbound: code, ledger: code, lanes, env });
    });
    synthSeconds = (performance.now() - started) / 1_000;
    console.log(`50 connectors: ${templates.stackSizes.length} stacks, synthesized in ${synthSeconds.toFixed(1)} s`);
  }, 240_000);

  it("every stack has at most 500 resources and a template of at most 1 MB", () => {
    // Source: AWS CloudFormation quotas.
    expect(templates.stackSizes).toHaveLength(2 + connectors.length);
    expect(Math.max(...templates.stackSizes)).toBeLessThanOrEqual(500);
    for (const template of templates.texts) expect(Buffer.byteLength(template)).toBeLessThanOrEqual(1_000_000);
  });

  it("the policies of every role fit the IAM quotas", () => {
    // Source: IAM quotas: 10,240 characters of inline policies, 6,144 characters per managed policy, 10 managed policies per role.
    for (const [type, longest] of [
      ["AWS::IAM::Policy", 10_240],
      ["AWS::IAM::ManagedPolicy", 6_144],
    ] as const) {
      for (const policy of templates.of(type)) {
        const { length } = resolved(policy.Properties.PolicyDocument);
        expect([type, length, length <= longest]).toEqual([type, length, true]);
      }
    }
    expect(templates.of("AWS::IAM::ManagedPolicy").length).toBeLessThanOrEqual(10);
  });

  it("the dashboard fits the CloudWatch quotas", () => {
    const [dashboard, ...others] = templates.of("AWS::CloudWatch::Dashboard");
    const body = resolved(dashboard?.Properties.DashboardBody);
    const { widgets } = JSON.parse(JSON.parse(body) as string) as { widgets: readonly Widget[] };
    const lines = widgets.map(({ properties }) => properties.metrics?.length ?? 0);

    expect(others).toEqual([]);
    // Source: Amazon CloudWatch quotas: 500 metrics per widget, 2,500 per dashboard.
    expect(Math.max(...lines)).toBeLessThanOrEqual(500);
    expect(lines.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(2_500);
    const titles = widgets.flatMap(({ properties }) => properties.title ?? []);
    expect(titles).toEqual(
      expect.arrayContaining([
        "Inbox: oldest event",
        "Lag, median",
        "Lag, 95th percentile",
        "Outbox",
        "Target down",
        "Held",
      ]),
    );
    for (const { name } of connectors) expect(body).toContain(`${name}@v1`);
  });

  it("every function can read only its own secret", () => {
    const readers = templates.grants().flatMap((statement) => {
      const secrets = text(statement.Resource).match(/secret:hms-bridge\/\w+/g);
      return secrets ? [new Set(secrets)] : [];
    });

    // One for the function that delivers, one for the probe.
    expect(readers).toHaveLength(2 * connectors.length);
    for (const secrets of readers) expect(secrets.size).toBe(1);
    expect(new Set(readers.flatMap((secrets) => [...secrets])).size).toBe(connectors.length);
  });

  it("synthesis takes less than three minutes", () => {
    // It takes about ten seconds on an idle machine.
    expect(synthSeconds).toBeLessThan(180);
  });
});

/** Returns a template's value as JSON, with references replaced by placeholders of realistic length. */
function resolved(value: unknown): string {
  const resolve = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.map(resolve);
    if (typeof part !== "object" || part === null) return part;
    const record = part as Record<string, unknown>;
    if (Array.isArray(record["Fn::Join"])) return (resolve(record["Fn::Join"][1]) as string[]).join("");
    if (record.Ref === "AWS::Partition") return "aws-us-gov";
    if (record.Ref === "AWS::Region") return region;
    if (record.Ref === "AWS::AccountId") return account;
    if ("Ref" in record || "Fn::GetAtt" in record) return "x".repeat(100);
    return Object.fromEntries(Object.entries(record).map(([name, inner]) => [name, resolve(inner)]));
  };
  return JSON.stringify(resolve(value));
}
