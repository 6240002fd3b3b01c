import { Duration } from "aws-cdk-lib";
import { type EventBus, type IEventBus, Match, Rule } from "aws-cdk-lib/aws-events";
import { PolicyStatement, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { Topic } from "aws-cdk-lib/aws-sns";
import { Construct } from "constructs";
import { acceptedEvents, alertSourceOf, alertTopicOf } from "../platform/aws/names.ts";
import type { Alarms } from "./alarms.ts";
import type { Shared } from "./function.ts";
import { allowEvents } from "./inbox.ts";
import { pathQueue } from "./queues.ts";

/** The event bus: created by the path stack, or one that already exists. */
export type Bus = EventBus | IEventBus;

export interface AlertsProps {
  readonly shared: Shared;
  readonly eventBus: Bus;
  readonly alarms: Alarms;
}

/**
 * Topic that forwards the bridge's alerts from the bus, for subscribers without a rule of their own. Each alert is one
 * message about a change of state, such as a target that went down.
 */
export class Alerts extends Construct {
  constructor(scope: Construct, id: string, { shared, eventBus, alarms }: AlertsProps) {
    super(scope, id);
    const { deployment, key } = shared;
    const topicName = alertTopicOf(deployment);
    const topic = new Topic(this, "Topic", { topicName, masterKey: key, enforceSSL: true });
    const deadLetters = pathQueue(this, "DeadLetters", { key, name: `${topicName}-dead` });
    const rule = new Rule(this, "Rule", {
      ruleName: topicName,
      description: "Alerts of the bridge for HMS-OPS, forwarded to a topic",
      eventBus,
      eventPattern: { source: [alertSourceOf(deployment)], detailType: Match.prefix(acceptedEvents.ownTypePrefix) },
    });
    // CDK's own target would let every rule of every account publish to the topic.
    rule.addTarget({
      bind: () => ({
        arn: topic.topicArn,
        deadLetterConfig: { arn: deadLetters.queueArn },
        retryPolicy: { maximumEventAgeInSeconds: Duration.hours(24).toSeconds(), maximumRetryAttempts: 185 },
      }),
    });
    topic.addToResourcePolicy(
      new PolicyStatement({
        sid: "Alerts",
        principals: [new ServicePrincipal("events.amazonaws.com")],
        actions: ["sns:Publish"],
        resources: [topic.topicArn],
        conditions: { ArnEquals: { "aws:SourceArn": rule.ruleArn } },
      }),
    );
    allowEvents(deadLetters, rule.ruleArn);
    alarms.whenFilled("alerts-lost", deadLetters, 1, "EventBridge could not deliver an alert to its topic.");
  }
}
