import { beforeAll, describe, expect, it } from "vitest";
import {
  regions,
  type Statement,
  type Synthesized,
  statementsOf,
  synthesize,
  templatesFor,
  text,
} from "./templates.ts";

describe.each(regions)("alerts to HMS-OPS in %s", { timeout: 120_000 }, (region) => {
  let templates: Synthesized;
  beforeAll(async () => {
    templates = await templatesFor(region);
  }, 120_000);

  const rule = () =>
    templates.of("AWS::Events::Rule").find(({ Properties }) => Properties.Name === "hms-bridge-alerts");

  it("one rule forwards this deployment's alerts, and nothing else, from the bus to a topic", () => {
    expect(rule()?.Properties.EventPattern).toEqual({
      source: ["hms-sync-bridge/hms-bridge"],
      "detail-type": [{ prefix: "sync." }],
    });
    const [target, ...more] = rule()?.Properties.Targets ?? [];
    expect(more).toEqual([]);
    expect(text(target.Arn)).toContain("AlertsTopic");
    expect(text(target.DeadLetterConfig.Arn)).toContain("AlertsDeadLetters");
    expect(target.InputPath ?? target.InputTransformer ?? target.RoleArn).toBeUndefined();
  });

  it("the rule for HMS events does not match alerts", () => {
    const [hms] = templates
      .of("AWS::Events::Rule")
      .filter(({ Properties }) => Properties.Name === "hms-bridge-hms-events");
    const { source, "detail-type": type } = hms?.Properties.EventPattern ?? {};

    expect("hms-sync-bridge/hms-bridge".startsWith(source[0].prefix)).toBe(false);
    expect("sync.target.down".startsWith(type[0]["anything-but"].prefix)).toBe(true);
  });

  it("only that rule can publish to the topic and its dead-letter queue", () => {
    const arn = /"aws:SourceArn":\{"Fn::GetAtt":\["AlertsRule/;
    const topic = templates
      .of("AWS::SNS::TopicPolicy")
      .flatMap(statementsOf)
      .filter(({ Action, Effect, Principal }) => {
        return Effect === "Allow" && Action === "sns:Publish" && text(Principal).includes("events.amazonaws.com");
      });
    const dead = templates
      .of("AWS::SQS::QueuePolicy")
      .flatMap(statementsOf)
      .filter(({ Effect, Resource }) => {
        return Effect === "Allow" && text(Resource).includes("AlertsDeadLetters");
      });

    expect([topic.length, dead.length]).toEqual([1, 1]);
    for (const { Condition } of [...topic, ...dead]) expect(text(Condition)).toMatch(arn);
  });

  it("the key policy lets EventBridge encrypt for this topic without an account condition, which SNS cannot meet", () => {
    const key = templates
      .of("AWS::KMS::Key")
      .flatMap(({ Properties }) => Properties.KeyPolicy.Statement as Statement[]);
    const ours = key.filter(({ Condition }) => text(Condition).includes("aws:sns:topicArn"));

    expect(ours).toEqual([
      expect.objectContaining({
        Principal: { Service: "events.amazonaws.com" },
        Action: ["kms:Decrypt", "kms:GenerateDataKey"],
      }),
    ]);
    expect(text(ours[0]?.Condition)).toMatch(/:sns:.*:hms-bridge-alerts"/);
    expect(text(ours[0]?.Condition)).not.toContain("aws:Source");
  });

  it("only functions that process packets or copy the ledger can publish alerts, and only in the bridge's name", () => {
    const publishers = templates
      .of("AWS::Lambda::Function")
      .filter(({ Properties }) => Properties.Environment?.Variables.BUS);
    const sources = templates.of("AWS::Lambda::Function").map(({ Properties }) => Properties.Description);

    const others = new Set(
      sources.filter((source) => !publishers.some(({ Properties }) => Properties.Description === source)),
    );
    expect([...others].sort()).toEqual([
      "functions/inbound.ts",
      "functions/ledger-seal-handler.ts",
      "functions/sheet-check.ts",
    ]);
    const grants = templates.grants().filter(({ Condition }) => text(Condition).includes("hms-sync-bridge/"));
    expect(grants).toHaveLength(publishers.length);
    for (const { Action } of grants) expect(Action).toBe("events:PutEvents");
  });
});

it("alerts use the agency's bus if it is configured, and each of two bridges has its own topic", async () => {
  const templates = await synthesize("us-gov-west-1", { name: "second", bus: "agency" });
  const rule = templates.of("AWS::Events::Rule").find(({ Properties }) => Properties.Name === "second-alerts");

  expect(rule?.Properties).toMatchObject({
    EventBusName: "agency",
    EventPattern: { source: ["hms-sync-bridge/second"] },
  });
  for (const { Action, Resource } of templates.grants()) {
    if (text(Action).includes("events:PutEvents")) expect(text(Resource)).toContain(":event-bus/agency");
  }
}, 120_000);
