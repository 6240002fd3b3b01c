import { ArnFormat, CfnOutput, Duration, Stack, type StackProps } from "aws-cdk-lib";
import { Archive, EventBus, Match, Rule, RuleTargetInput } from "aws-cdk-lib/aws-events";
import { PolicyStatement, type Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { Key } from "aws-cdk-lib/aws-kms";
import { SqsEventSource } from "aws-cdk-lib/aws-lambda-event-sources";
import { Topic } from "aws-cdk-lib/aws-sns";
import type { IQueue } from "aws-cdk-lib/aws-sqs";
import { StringParameter } from "aws-cdk-lib/aws-ssm";
import type { Construct } from "constructs";
import { complianceSecret } from "../bridge/governance/compliance-engine.ts";
import { inboundSecretName } from "../bridge/inbound/receive-webhook.ts";
import { connectorId } from "../bridge/model/connector.ts";
import { batchSize } from "../functions/concurrency.ts";
import type { MapperEnvironment } from "../functions/env.ts";
import {
  acceptedEvents,
  functionNameOf,
  type Parameter,
  packetIndexes,
  parameterOf,
  probeNameOf,
  queueNameOf,
  type SheetReader,
  secretNameOf,
} from "../platform/aws/names.ts";
import { Alarms } from "./alarms.ts";
import { Alerts, type Bus } from "./alerts.ts";
import type { Bundle } from "./bundle.ts";
import { type LaneDefinition, LaneStack, secretArns } from "./connector-lane.ts";
import { addDashboard } from "./dashboard.ts";
import { allow, BridgeFunction, pathEnvironment, placesEnvironment, type Shared } from "./function.ts";
import { InboundApi } from "./inbound-api.ts";
import { busNameOf, type InboxQueues, inboxQueues, ruleNameOf } from "./inbox.ts";
import { LedgerKeeping } from "./ledger.ts";
import { fiveMinutes, pathMetric } from "./metrics.ts";
import { OpsApi } from "./ops-api.ts";
import type { Settings } from "./settings.ts";

const hmsEvents = {
  source: Match.prefix(acceptedEvents.sourcePrefix),
  detailType: Match.anythingButPrefix(acceptedEvents.ownTypePrefix),
};

/** Maximum number of concurrent mappers, each with a batch of ten events. */
const maxMappers = 10;

export interface PathStackProps extends StackProps {
  readonly settings: Settings;
  readonly mapper: Bundle;
  readonly ops: Bundle;
  readonly inbound: Bundle;
  readonly ledger: Bundle;
  readonly lanes: readonly LaneDefinition[];
}

/**
 * Stack with the path of an event: bus, rule, mapper, and a lane for each connector.
 *
 * When the stack is deleted, its logs are retained. The inbox belongs to the state stack, so no event is lost if the
 * stack is created again.
 */
export class PathStack extends Stack {
  readonly #settings: Settings;
  readonly #shared: Shared;

  constructor(scope: Construct, id: string, { settings, ...parts }: PathStackProps) {
    const { mapper, ops, inbound, ledger, lanes, ...props } = parts;
    super(scope, id, { description: "HMS Sync Bridge: the path from event to target", ...props });
    this.#settings = settings;
    const parameter = (name: Parameters<typeof parameterOf>[1]) =>
      StringParameter.valueForStringParameter(this, parameterOf(settings.name, name));
    this.#shared = {
      deployment: settings.name,
      key: Key.fromKeyArn(this, "Key", parameter("key")),
      packetsTable: parameter("packets-table"),
      ledgerTable: parameter("ledger-table"),
      bridgeKey: parameter("bridge-key"),
      // Built from the name, which works for both a new and an existing bus.
      bus: this.formatArn({ service: "events", resource: "event-bus", resourceName: busNameOf(settings) }),
      fips: settings.fips,
      logRetentionDays: settings.logRetentionDays,
      logLevel: settings.logLevel,
      vpc: settings.vpc,
    };

    const topic = this.#alarmTopic();
    const alarms = new Alarms(this, "PathAlarms", { prefix: settings.name, topic });
    const queues = inboxQueues(this, settings.name, this.#shared.key);
    this.#addInboxAlarms(queues, alarms);
    const eventBus = this.#bus(queues);
    this.#rule(eventBus, queues);
    new Alerts(this, "Alerts", { shared: this.#shared, eventBus, alarms });

    const stacks = lanes.map((lane) => {
      const id = connectorId(lane.connector).replaceAll("@", "-");
      return new LaneStack(this, id, { ...lane, shared: this.#shared, topic });
    });
    // Deployed after the lanes, because these functions send to the connectors' queues.
    this.#mapper(mapper, queues.inbox, lanes, alarms).node.addDependency(...stacks);
    this.#watchdog(mapper, queues.inbox, lanes, alarms).node.addDependency(...stacks);
    this.#ops(ops, lanes, alarms).node.addDependency(...stacks);
    this.#inbound(inbound, queues.inbox, alarms);
    new LedgerKeeping(this, "LedgerKeeping", {
      shared: this.#shared,
      bundle: ledger,
      alarms,
      stream: parameter("ledger-stream"),
      bucket: parameter("ledger-bucket"),
      sealKey: parameter("seal-key"),
    });
    addDashboard(this, { deployment: settings.name, connectors: lanes.map(({ connector }) => connector) });
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

  #addInboxAlarms({ inbox, inboxDead, ruleDead }: InboxQueues, alarms: Alarms): void {
    alarms.whenFilled("rule-dead-letters", ruleDead, 1, "EventBridge could not deliver an event to the inbox.");
    alarms.whenFilled("inbox-dead-letters", inboxDead, 1, "An event could not be recorded after repeated attempts.");
    alarms.whenOld("inbox-waits", inbox, { seconds: 60, minutes: 3 }, "An event has waited in the inbox for a minute.");
    const quarantined = pathMetric("EventsQuarantined", { deployment: this.#settings.name, period: fiveMinutes });
    alarms.whenCounted("events-quarantined", quarantined, "HMS published an invalid event, which was quarantined.");
  }

  #bus({ ruleDead }: InboxQueues) {
    const { bus } = this.#settings;
    const { key } = this.#shared;
    const eventBus =
      bus === undefined
        ? new EventBus(this, "Bus", { eventBusName: busNameOf(this.#settings), kmsKey: key, deadLetterQueue: ruleDead })
        : EventBus.fromEventBusName(this, "Bus", bus);
    this.#putParameter("bus", eventBus.eventBusArn);
    return eventBus;
  }

  #rule(eventBus: Bus, { inbox, ruleDead }: InboxQueues): void {
    const { archiveDays } = this.#settings;
    const rule = new Rule(this, "HmsEvents", {
      ruleName: ruleNameOf(this.#settings),
      description: "Events of HMS services, forwarded to the inbox",
      eventBus,
      eventPattern: hmsEvents,
    });
    // CDK's own target would let every rule of the account write to an encrypted queue.
    rule.addTarget({
      bind: () => ({
        arn: inbox.queueArn,
        input: RuleTargetInput.fromEventPath("$.detail"),
        deadLetterConfig: { arn: ruleDead.queueArn },
        retryPolicy: { maximumEventAgeInSeconds: Duration.hours(24).toSeconds(), maximumRetryAttempts: 185 },
      }),
    });
    if (archiveDays > 0) {
      new Archive(this, "Archive", {
        description: "Events of HMS services, to be replayed if the bridge missed them",
        sourceEventBus: eventBus,
        eventPattern: hmsEvents,
        retention: Duration.days(archiveDays),
        kmsKey: this.#shared.key,
      });
    }
  }

  #mapper(bundle: Bundle, inbox: IQueue, lanes: readonly LaneDefinition[], alarms: Alarms): BridgeFunction {
    const shared = this.#shared;
    const environment = this.#mapperEnvironment();
    const mapper = new BridgeFunction(this, "Mapper", {
      shared,
      name: "mapper",
      bundle,
      handler: "map",
      source: "functions/mapper.ts",
      environment,
      state: {
        // When a large event is expanded, its reservation is deleted and the strict lanes that waited for it are requeued.
        packets: ["BatchGetItem", "Query", "PartiQLInsert", "PartiQLUpdate", "PartiQLDelete"],
        indexes: [packetIndexes.waiting],
        ledger: true,
        publishes: true,
      },
    });
    mapper.function.addEventSource(
      new SqsEventSource(inbox, { batchSize, maxConcurrency: maxMappers, reportBatchItemFailures: true }),
    );
    // The mapper splits large events and sends the chunks to the inbox.
    const resources = [inbox.queueArn, ...this.#queueArns(lanes, "lane")];
    allow(mapper.role, ["sqs:SendMessage"], resources);
    this.#grantFileAccess(mapper.role);
    this.#grantComplianceToken(mapper.role);
    alarms.whenFailing(
      "mapper-failing",
      mapper.function,
      "The mapper has been failing for 3 min; events wait in the inbox.",
    );
    const faults = pathMetric("MappingFaults", { deployment: shared.deployment });
    alarms.whenCounted("mapping-faults", faults, "A sheet could not map the values of an event; the packets are held.");
    const unavailable = pathMetric("GovernanceNotAsked", { deployment: shared.deployment, period: fiveMinutes });
    alarms.whenCounted("governance-not-asked", unavailable, "The compliance engine is unavailable; new packets wait.");
    this.#putRoleParameter("mapper", mapper.role);
    return mapper;
  }

  /** Creates the function that compares the table with the queues every minute and runs jobs. */
  #watchdog(bundle: Bundle, inbox: IQueue, lanes: readonly LaneDefinition[], alarms: Alarms): BridgeFunction {
    const shared = this.#shared;
    const environment = this.#mapperEnvironment();
    const watchdog = new BridgeFunction(this, "Watchdog", {
      shared,
      name: "watchdog",
      bundle,
      handler: "watch",
      source: "bridge/maintenance/watchdog.ts",
      environment,
      state: {
        // Closing a packet of a strict lane also deletes it from the lane's list.
        packets: ["BatchGetItem", "Query", "DeleteItem", "PartiQLInsert", "PartiQLUpdate", "PartiQLDelete"],
        indexes: Object.values(packetIndexes),
        ledger: true,
        publishes: true,
      },
      everyMinute: true,
    });
    // Separate statements, because one with the queues of 50 connectors would exceed the size limit of a policy.
    allow(watchdog.role, ["sqs:SendMessage", "sqs:GetQueueAttributes"], this.#queueArns(lanes, "lane"));
    allow(watchdog.role, ["sqs:GetQueueAttributes"], this.#queueArns(lanes, "outbox"));
    // The watchdog sends chunks of large events and lines of snapshots to the inbox.
    allow(watchdog.role, ["sqs:SendMessage", "sqs:GetQueueAttributes"], [inbox.queueArn]);
    this.#grantFileAccess(watchdog.role);
    this.#grantComplianceToken(watchdog.role);
    const meaning = "The watchdog has been failing for 3 min: lost packets are not requeued, and jobs have stopped.";
    alarms.whenFailing("watchdog-failing", watchdog.function, meaning);
    this.#putRoleParameter("watchdog", watchdog.role);
    return watchdog;
  }

  /** Creates the operator API. Callers authenticate with their own IAM permissions. */
  #ops(bundle: Bundle, lanes: readonly LaneDefinition[], alarms: Alarms): BridgeFunction {
    const shared = this.#shared;
    const ops = new BridgeFunction(this, "Ops", {
      shared,
      name: "ops",
      bundle,
      handler: "serve",
      source: "functions/ops.ts",
      environment: this.#mapperEnvironment(),
      state: {
        packets: ["BatchGetItem", "Query", "PartiQLInsert", "PartiQLUpdate", "PartiQLDelete"],
        indexes: Object.values(packetIndexes),
        ledger: "read",
      },
    });
    // Separate statements, as for the watchdog.
    allow(ops.role, ["sqs:SendMessage", "sqs:GetQueueAttributes"], this.#queueArns(lanes, "lane"));
    allow(ops.role, ["sqs:GetQueueAttributes"], this.#queueArns(lanes, "outbox"));
    allow(ops.role, ["lambda:InvokeFunction"], this.#probeArns(lanes));
    this.#grantFileAccess(ops.role);
    this.#grantComplianceToken(ops.role);
    alarms.whenFailing(
      "ops-failing",
      ops.function,
      "The operator API has been failing for 3 min; packets are still delivered.",
    );
    this.#putRoleParameter("ops", ops.role);
    this.#putParameter("ops-url", new OpsApi(this, "OpsApi", { shared, handler: ops }).url);
    return ops;
  }

  /** Creates the endpoint for webhooks. A message goes to the inbox once its signature is verified. */
  #inbound(bundle: Bundle, inbox: IQueue, alarms: Alarms): void {
    const shared = this.#shared;
    const receiver = new BridgeFunction(this, "Inbound", {
      shared,
      name: "inbound",
      bundle,
      handler: "receive",
      source: "functions/inbound.ts",
      environment: placesEnvironment(this, shared),
      // The only read is to detect a message that was received before.
      state: { packets: ["BatchGetItem"], ledger: false, onPackets: false },
    });
    allow(receiver.role, ["sqs:SendMessage"], [inbox.queueArn]);
    // The signing secrets of all connectors, by pattern: a list of them would exceed the size limit of a policy.
    allow(
      receiver.role,
      ["secretsmanager:GetSecretValue"],
      secretArns(this, secretNameOf(shared.deployment, inboundSecretName("*"))),
    );
    const meaning = "Messages of outside systems could not be stored for 3 min; the senders retry.";
    alarms.whenFailing("inbound-failing", receiver.function, meaning);
    const { url } = new InboundApi(this, "InboundApi", { shared, handler: receiver });
    this.#putParameter("inbound-url", url);
    new CfnOutput(this, "InboundUrl", {
      description: "Base URL of the webhook endpoints: inbound/<connector>",
      value: url,
    });
  }

  #probeArns(lanes: readonly LaneDefinition[]): string[] {
    return lanes.map(({ connector }) =>
      this.formatArn({
        service: "lambda",
        resource: "function",
        resourceName: functionNameOf(this.#shared.deployment, probeNameOf(connectorId(connector))),
        arnFormat: ArnFormat.COLON_RESOURCE_NAME,
      }),
    );
  }

  #mapperEnvironment(): MapperEnvironment {
    const { places, payloadRetentionDays, governance } = this.#settings;
    return {
      ...pathEnvironment(this, this.#shared),
      PAYLOAD_RETENTION_DAYS: String(payloadRetentionDays),
      ...(places.length > 0 && { PLACES: JSON.stringify(places) }),
      ...(governance && { GOVERNANCE: JSON.stringify(governance) }),
    };
  }

  /** Lets a role read the token of the compliance engine, if one is configured. */
  #grantComplianceToken(role: Role): void {
    const { governance, name } = this.#settings;
    if (!governance) return;
    const resources = secretArns(this, secretNameOf(name, complianceSecret));
    allow(role, ["secretsmanager:GetSecretValue"], resources);
  }

  /** Lets a role read files in the configured S3 folders. */
  #grantFileAccess(role: Role): void {
    const { places, placeKeys } = this.#settings;
    const resources = places.map((place) => `arn:${this.partition}:s3:::${place.slice("s3://".length)}*`);
    if (resources.length === 0) return;
    allow(role, ["s3:GetObject", "s3:GetObjectVersion"], resources);
    if (placeKeys.length === 0) return;
    role.addToPolicy(
      new PolicyStatement({
        actions: ["kms:Decrypt"],
        resources: placeKeys,
        conditions: { StringEquals: { "kms:ViaService": `s3.${this.region}.${this.urlSuffix}` } },
      }),
    );
  }

  #queueArns(lanes: readonly LaneDefinition[], kind: "lane" | "outbox"): string[] {
    return lanes.map(({ connector }) =>
      this.formatArn({
        service: "sqs",
        resource: queueNameOf(this.#shared.deployment, `${kind}:${connectorId(connector)}`),
      }),
    );
  }

  /** Stores a role's name for the mappings stack, which grants it access to the sheets. */
  #putRoleParameter(reader: SheetReader, { roleName }: Role): void {
    this.#putParameter(`role-${reader}`, roleName);
  }

  #putParameter(name: Parameter, stringValue: string): void {
    const parameterName = parameterOf(this.#settings.name, name);
    new StringParameter(this, `Parameter-${name}`, { parameterName, stringValue });
  }
}
