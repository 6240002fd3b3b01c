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

describe.each(regions)("what HMS-OPS is told in %s", { timeout: 120_000 }, (region) => {
  let made: Synthesized;
  beforeAll(async () => {
    made = await templatesFor(region);
  }, 120_000);

  const rule = () => made.of("AWS::Events::Rule").find(({ Properties }) => Properties.Name === "hms-bridge-alerts");

  it("goes from the bus to a topic by one rule, which takes this deployment's alerts and nothing else", () => {
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

  it("is nothing the bridge's own rule would take", () => {
    const [hms] = made.of("AWS::Events::Rule").filter(({ Properties }) => Properties.Name === "hms-bridge-hms-events");
    const { source, "detail-type": type } = hms?.Properties.EventPattern ?? {};

    expect("hms-sync-bridge/hms-bridge".startsWith(source[0].prefix)).toBe(false);
    expect("sync.target.down".startsWith(type[0]["anything-but"].prefix)).toBe(true);
  });

  it("is published to the topic, and to its dead letters, by that rule alone", () => {
    const arn = /"aws:SourceArn":\{"Fn::GetAtt":\["AlertsRule/;
    const topic = made
      .of("AWS::SNS::TopicPolicy")
      .flatMap(statementsOf)
      .filter(({ Action, Effect, Principal }) => {
        return Effect === "Allow" && Action === "sns:Publish" && text(Principal).includes("events.amazonaws.com");
      });
    const dead = made
      .of("AWS::SQS::QueuePolicy")
      .flatMap(statementsOf)
      .filter(({ Effect, Resource }) => {
        return Effect === "Allow" && text(Resource).includes("AlertsDeadLetters");
      });

    expect([topic.length, dead.length]).toEqual([1, 1]);
    for (const { Condition } of [...topic, ...dead]) expect(text(Condition)).toMatch(arn);
  });

  it("may be encrypted by EventBridge for this topic, without naming an account, which SNS does not hand on", () => {
    const key = made.of("AWS::KMS::Key").flatMap(({ Properties }) => Properties.KeyPolicy.Statement as Statement[]);
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

  it("can be told by whoever works on packets or keeps the ledger's copies, in the bridge's name alone", () => {
    const telling = made.of("AWS::Lambda::Function").filter(({ Properties }) => Properties.Environment?.Variables.BUS);
    const sources = made.of("AWS::Lambda::Function").map(({ Properties }) => Properties.Description);

    const silent = new Set(
      sources.filter((source) => !telling.some(({ Properties }) => Properties.Description === source)),
    );
    expect([...silent].sort()).toEqual([
      "functions/inbound.ts",
      "functions/ledger-seal-handler.ts",
      "functions/sheet-check.ts",
    ]);
    const grants = made.grants().filter(({ Condition }) => text(Condition).includes("hms-sync-bridge/"));
    expect(grants).toHaveLength(telling.length);
    for (const { Action } of grants) expect(Action).toBe("events:PutEvents");
  });
});

it("what HMS-OPS is told goes to the agency's bus where there is one, and from each of two bridges there to its own topic", async () => {
  const made = await synthesize("us-gov-west-1", { name: "second", bus: "agency" });
  const rule = made.of("AWS::Events::Rule").find(({ Properties }) => Properties.Name === "second-alerts");

  expect(rule?.Properties).toMatchObject({
    EventBusName: "agency",
    EventPattern: { source: ["hms-sync-bridge/second"] },
  });
  for (const { Action, Resource } of made.grants()) {
    if (text(Action).includes("events:PutEvents")) expect(text(Resource)).toContain(":event-bus/agency");
  }
}, 120_000);
