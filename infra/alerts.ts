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

/** The bus, made here or there before. */
export type Bus = EventBus | IEventBus;

export interface AlertsProps {
  readonly shared: Shared;
  readonly eventBus: Bus;
  readonly alarms: Alarms;
}

/**
 * What the bridge tells HMS-OPS on the bus, for whoever would rather subscribe to a topic: one message a change of
 * state, where an alarm is one a state.
 */
export class Alerts extends Construct {
  constructor(scope: Construct, id: string, { shared, eventBus, alarms }: AlertsProps) {
    super(scope, id);
    const { deployment, key } = shared;
    const topicName = alertTopicOf(deployment);
    const topic = new Topic(this, "Topic", { topicName, masterKey: key, enforceSSL: true });
    const dead = pathQueue(this, "DeadLetters", { key, name: `${topicName}-dead` });
    const rule = new Rule(this, "Rule", {
      ruleName: topicName,
      description: "What the bridge tells HMS-OPS, to those who subscribe",
      eventBus,
      eventPattern: { source: [alertSourceOf(deployment)], detailType: Match.prefix(acceptedEvents.ownTypePrefix) },
    });
    // Not CDK's own target: that lets every rule of every account publish here.
    rule.addTarget({
      bind: () => ({
        arn: topic.topicArn,
        deadLetterConfig: { arn: dead.queueArn },
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
    allowEvents(dead, rule.ruleArn);
    alarms.whenFilled("alerts-lost", dead, 1, "EventBridge could not bring an alert to its topic.");
  }
}
