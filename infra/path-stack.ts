import { Duration, Stack, type StackProps } from "aws-cdk-lib";
import { Metric } from "aws-cdk-lib/aws-cloudwatch";
import { EventBus, Match, Rule, RuleTargetInput } from "aws-cdk-lib/aws-events";
import { PolicyStatement, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { Key } from "aws-cdk-lib/aws-kms";
import { SqsEventSource } from "aws-cdk-lib/aws-lambda-event-sources";
import { Topic } from "aws-cdk-lib/aws-sns";
import type { Queue } from "aws-cdk-lib/aws-sqs";
import { StringParameter } from "aws-cdk-lib/aws-ssm";
import type { Construct } from "constructs";
import { connectorId } from "../bridge/connector.ts";
import type { MapperEnvironment } from "../functions/env.ts";
import { type MetricName, metricsNamespace } from "../functions/lines.ts";
import { batchSize } from "../functions/rate.ts";
import { parameterOf, queueNameOf } from "../platform/aws/names.ts";
import { alarm, aMinute } from "./alarms.ts";
import type { Bundle } from "./bundle.ts";
import { BridgeFunction, pathEnvironment, type Shared } from "./function.ts";
import { type LaneMade, LaneStack } from "./lane.ts";
import { pathQueue } from "./queues.ts";
import type { Settings } from "./settings.ts";

/** What HMS services publish. The bridge's own events have another source, and types that begin with `sync.`. */
const hmsEvents = {
  source: Match.prefix("hms."),
  detailType: Match.anythingButPrefix("sync."),
};

/** Mappers at work at once, each with ten events. */
const mappers = 10;

export interface PathStackProps extends StackProps {
  readonly settings: Settings;
  readonly mapper: Bundle;
  readonly lanes: readonly LaneMade[];
}

/**
 * The way of an event: bus, rule, inbox, mapper, and a lane for each connector.
 *
 * When the stack is deleted, logs and the queues that may hold an event nobody has recorded yet are kept.
 */
export class PathStack extends Stack {
  readonly #settings: Settings;
  readonly #shared: Shared;

  constructor(scope: Construct, id: string, { settings, mapper, lanes, ...props }: PathStackProps) {
    super(scope, id, { description: "HMS Sync Bridge: the way of an event", ...props });
    this.#settings = settings;
    const told = (what: Parameters<typeof parameterOf>[1]) =>
      StringParameter.valueForStringParameter(this, parameterOf(settings.name, what));
    this.#shared = {
      deployment: settings.name,
      key: Key.fromKeyArn(this, "Key", told("key")),
      packetsTable: told("packets-table"),
      ledgerTable: told("ledger-table"),
      bridgeKey: told("bridge-key"),
      fips: settings.fips,
      logRetentionDays: settings.logRetentionDays,
      logLevel: settings.logLevel,
    };

    const alarms = this.#alarmTopic();
    const ruleDead = this.#ruleDeadLetters(alarms);
    const inbox = this.#inbox(alarms);
    this.#rule(inbox, ruleDead);

    const stacks = lanes.map((lane) => {
      const id = connectorId(lane.connector).replaceAll("@", "-");
      return new LaneStack(this, id, { ...lane, shared: this.#shared, alarms });
    });
    // A mapper that knows a connector must find its queue.
    this.#mapper(mapper, inbox, lanes, alarms).node.addDependency(...stacks);
    this.#watchdog(mapper, lanes, alarms).node.addDependency(...stacks);
  }

  #alarmTopic(): Topic {
    const { key, deployment } = this.#shared;
    const topic = new Topic(this, "Alarms", { topicName: `${deployment}-alarms`, masterKey: key, enforceSSL: true });
    topic.addToResourcePolicy(
      new PolicyStatement({
        sid: "Alarms",
        principals: [new ServicePrincipal("cloudwatch.amazonaws.com")],
        actions: ["sns:Publish"],
        resources: [topic.topicArn],
        conditions: { StringEquals: { "aws:SourceAccount": this.account } },
      }),
    );
    return topic;
  }

  /** What EventBridge could not bring to the inbox. */
  #ruleDeadLetters(topic: Topic): Queue {
    const { key, deployment } = this.#shared;
    const queue = pathQueue(this, "RuleDeadLetters", { key, name: `${deployment}-rule-dead`, kept: true });
    alarm(this, "RuleFailed", {
      metric: queue.metricApproximateNumberOfMessagesVisible({ period: aMinute, statistic: "Maximum" }),
      from: 1,
      periods: 1,
      says: "EventBridge could not bring an event to the inbox; its reason stands in the message's attributes",
      topic,
    });
    return queue;
  }

  #inbox(topic: Topic): Queue {
    const { key, deployment } = this.#shared;
    const dead = pathQueue(this, "InboxDeadLetters", { key, name: queueNameOf(deployment, "inbox-dead"), kept: true });
    const inbox = pathQueue(this, "Inbox", { key, name: queueNameOf(deployment, "inbox"), kept: true, dead });
    const gaveUp = alarm(this, "InboxGaveUp", {
      metric: dead.metricApproximateNumberOfMessagesVisible({ period: aMinute, statistic: "Maximum" }),
      from: 1,
      periods: 1,
      says: "an event was tried again and again and is not recorded; mend the cause, then redrive the inbox's dead-letter queue",
      topic,
    });
    const waits = alarm(this, "InboxWaits", {
      metric: inbox.metricApproximateAgeOfOldestMessage({ period: aMinute, statistic: "Maximum" }),
      from: 60,
      periods: 3,
      says: "an event has waited in the inbox for a minute; is the mapper called, and does it end?",
      topic,
    });
    this.#tell("alarm-inbox-gave-up", gaveUp.alarmArn);
    this.#tell("alarm-inbox-waits", waits.alarmArn);
    return inbox;
  }

  #rule(inbox: Queue, dead: Queue): void {
    const { bus, name } = this.#settings;
    const made =
      bus === undefined &&
      new EventBus(this, "Bus", { eventBusName: name, kmsKey: this.#shared.key, deadLetterQueue: dead });
    const rule = new Rule(this, "HmsEvents", {
      ruleName: `${name}-hms-events`,
      description: "What HMS services publish, to the bridge's inbox",
      eventBus: made || EventBus.fromEventBusName(this, "Bus", bus as string),
      eventPattern: hmsEvents,
    });
    // Not CDK's own target: with an encrypted queue that lets every rule of the account write to it.
    rule.addTarget({
      bind: () => ({
        arn: inbox.queueArn,
        input: RuleTargetInput.fromEventPath("$.detail"),
        deadLetterConfig: { arn: dead.queueArn },
        retryPolicy: { maximumEventAgeInSeconds: Duration.hours(24).toSeconds(), maximumRetryAttempts: 185 },
      }),
    });
    allowEvents(inbox, rule.ruleArn);
    allowEvents(dead, rule.ruleArn);
    if (made) allowEvents(dead, made.eventBusArn);
  }

  #mapper(bundle: Bundle, inbox: Queue, lanes: readonly LaneMade[], topic: Topic): BridgeFunction {
    const shared = this.#shared;
    const environment: MapperEnvironment = pathEnvironment(this, shared);
    const mapper = new BridgeFunction(this, "Mapper", {
      shared,
      name: "mapper",
      bundle,
      handler: "map",
      source: "functions/mapper.ts",
      environment,
      state: { packets: ["BatchGetItem", "PartiQLInsert", "PartiQLUpdate"], ledger: true },
    });
    mapper.function.addEventSource(
      new SqsEventSource(inbox, { batchSize, maxConcurrency: mappers, reportBatchItemFailures: true }),
    );
    const laneQueues = this.#queueArns(lanes, ["lane"]);
    mapper.role.addToPolicy(new PolicyStatement({ actions: ["sqs:SendMessage"], resources: laneQueues }));
    const failing = alarm(this, "MapperFailing", {
      metric: mapper.function.metricErrors({ period: aMinute }),
      from: 1,
      periods: 3,
      says: "the mapper has failed for 3 min; see its log",
      topic,
    });
    const faults = alarm(this, "MappingFaults", {
      metric: new Metric({
        namespace: metricsNamespace,
        metricName: "MappingFaults" satisfies MetricName,
        dimensionsMap: { service: shared.deployment },
        statistic: "Sum",
        period: aMinute,
      }),
      from: 1,
      periods: 1,
      says: "a sheet could not map an event's values, and its packets are held; bridge explain tells which and why",
      topic,
    });
    this.#tell("alarm-mapper-failing", failing.alarmArn);
    this.#tell("alarm-mapping-faults", faults.alarmArn);
    this.#tell("role-mapper", mapper.role.roleName);
    return mapper;
  }

  /** Compares the table with the queues every minute, and works on jobs. */
  #watchdog(bundle: Bundle, lanes: readonly LaneMade[], topic: Topic): BridgeFunction {
    const shared = this.#shared;
    const environment: MapperEnvironment = pathEnvironment(this, shared);
    const watchdog = new BridgeFunction(this, "Watchdog", {
      shared,
      name: "watchdog",
      bundle,
      handler: "watch",
      source: "bridge/watchdog.ts",
      environment,
      state: {
        packets: ["BatchGetItem", "Query", "DeleteItem", "PartiQLInsert", "PartiQLUpdate"],
        indexes: true,
        ledger: true,
      },
      everyMinute: true,
    });
    const allow = (action: string, resources: string[]) =>
      watchdog.role.addToPolicy(new PolicyStatement({ actions: [action], resources }));
    allow("sqs:SendMessage", this.#queueArns(lanes, ["lane"]));
    allow("sqs:GetQueueAttributes", this.#queueArns(lanes, ["lane", "outbox"]));
    alarm(this, "WatchdogFailing", {
      metric: watchdog.function.metricErrors({ period: aMinute }),
      from: 1,
      periods: 3,
      says: "the watchdog has failed for 3 min: nothing that a crash left behind is mended, and no job goes on; see its log",
      topic,
    });
    this.#tell("role-watchdog", watchdog.role.roleName);
    return watchdog;
  }

  #queueArns(lanes: readonly LaneMade[], kinds: readonly ("lane" | "outbox")[]): string[] {
    return lanes.flatMap(({ connector }) =>
      kinds.map((kind) =>
        this.formatArn({
          service: "sqs",
          resource: queueNameOf(this.#shared.deployment, `${kind}:${connectorId(connector)}`),
        }),
      ),
    );
  }

  /** For the mappings stack, which comes later. */
  #tell(what: Parameters<typeof parameterOf>[1], stringValue: string): void {
    const parameterName = parameterOf(this.#settings.name, what);
    new StringParameter(this, `Parameter-${what}`, { parameterName, stringValue });
  }
}

/** Lets EventBridge put events on a queue, for one rule or bus only. */
function allowEvents(queue: Queue, sourceArn: string): void {
  queue.addToResourcePolicy(
    new PolicyStatement({
      principals: [new ServicePrincipal("events.amazonaws.com")],
      actions: ["sqs:SendMessage"],
      resources: [queue.queueArn],
      conditions: { ArnEquals: { "aws:SourceArn": sourceArn } },
    }),
  );
}
