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
  parameterOf,
  probeNameOf,
  queueNameOf,
  type SheetReader,
  secretNameOf,
} from "../platform/aws/names.ts";
import { Alarms } from "./alarms.ts";
import { Alerts, type Bus } from "./alerts.ts";
import type { Bundle } from "./bundle.ts";
import { type LaneMade, LaneStack, secretArns } from "./connector-lane.ts";
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

/** Mappers at work at once, each with ten events. */
const mappers = 10;

export interface PathStackProps extends StackProps {
  readonly settings: Settings;
  readonly mapper: Bundle;
  readonly ops: Bundle;
  readonly inbound: Bundle;
  readonly ledger: Bundle;
  readonly lanes: readonly LaneMade[];
}

/**
 * The way of an event: bus, rule, inbox, mapper, and a lane for each connector.
 *
 * When the stack is deleted, its logs are kept, and the inbox, which is another's: made again, it goes on.
 */
export class PathStack extends Stack {
  readonly #settings: Settings;
  readonly #shared: Shared;

  constructor(scope: Construct, id: string, { settings, ...made }: PathStackProps) {
    const { mapper, ops, inbound, ledger, lanes, ...props } = made;
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
      // By its name, which is the same whether the bus is made here or was there before.
      bus: this.formatArn({ service: "events", resource: "event-bus", resourceName: busNameOf(settings) }),
      fips: settings.fips,
      logRetentionDays: settings.logRetentionDays,
      logLevel: settings.logLevel,
      vpc: settings.vpc,
    };

    const topic = this.#alarmTopic();
    const alarms = new Alarms(this, "PathAlarms", { prefix: settings.name, topic });
    const queues = inboxQueues(this, settings.name, this.#shared.key);
    this.#watchInbox(queues, alarms);
    const eventBus = this.#bus(queues);
    this.#rule(eventBus, queues);
    new Alerts(this, "Alerts", { shared: this.#shared, eventBus, alarms });

    const stacks = lanes.map((lane) => {
      const id = connectorId(lane.connector).replaceAll("@", "-");
      return new LaneStack(this, id, { ...lane, shared: this.#shared, topic });
    });
    // A mapper that knows a connector must find its queue.
    this.#mapper(mapper, queues.inbox, lanes, alarms).node.addDependency(...stacks);
    this.#watchdog(mapper, queues.inbox, lanes, alarms).node.addDependency(...stacks);
    this.#ops(ops, lanes, alarms).node.addDependency(...stacks);
    this.#inbound(inbound, queues.inbox, alarms);
    new LedgerKeeping(this, "LedgerKeeping", {
      shared: this.#shared,
      bundle: ledger,
      alarms,
      stream: told("ledger-stream"),
      bucket: told("ledger-bucket"),
      sealKey: told("seal-key"),
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

  #watchInbox({ inbox, inboxDead, ruleDead }: InboxQueues, alarms: Alarms): void {
    alarms.whenFilled("rule-dead-letters", ruleDead, 1, "EventBridge could not bring an event to the inbox.");
    alarms.whenFilled("inbox-dead-letters", inboxDead, 1, "An event was tried again and again and is not recorded.");
    alarms.whenOld("inbox-waits", inbox, { seconds: 60, minutes: 3 }, "An event has waited in the inbox for a minute.");
    const quarantined = pathMetric("EventsQuarantined", { deployment: this.#settings.name, period: fiveMinutes });
    alarms.whenCounted("events-quarantined", quarantined, "HMS published an event that is none: it went to nobody.");
  }

  #bus({ ruleDead }: InboxQueues) {
    const { bus } = this.#settings;
    const { key } = this.#shared;
    const eventBus =
      bus === undefined
        ? new EventBus(this, "Bus", { eventBusName: busNameOf(this.#settings), kmsKey: key, deadLetterQueue: ruleDead })
        : EventBus.fromEventBusName(this, "Bus", bus);
    this.#tell("bus", eventBus.eventBusArn);
    return eventBus;
  }

  #rule(eventBus: Bus, { inbox, ruleDead }: InboxQueues): void {
    const { archiveDays } = this.#settings;
    const rule = new Rule(this, "HmsEvents", {
      ruleName: ruleNameOf(this.#settings),
      description: "What HMS services publish, to the bridge's inbox",
      eventBus,
      eventPattern: hmsEvents,
    });
    // Not CDK's own target: with an encrypted queue that lets every rule of the account write to it.
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
        description: "What HMS services published, to be published again should the bridge not have heard it",
        sourceEventBus: eventBus,
        eventPattern: hmsEvents,
        retention: Duration.days(archiveDays),
        kmsKey: this.#shared.key,
      });
    }
  }

  #mapper(bundle: Bundle, inbox: IQueue, lanes: readonly LaneMade[], alarms: Alarms): BridgeFunction {
    const shared = this.#shared;
    const environment = this.#mapperEnvironment();
    const mapper = new BridgeFunction(this, "Mapper", {
      shared,
      name: "mapper",
      bundle,
      handler: "map",
      source: "functions/mapper.ts",
      environment,
      state: { packets: ["BatchGetItem", "PartiQLInsert", "PartiQLUpdate"], ledger: true, publishes: true },
    });
    mapper.function.addEventSource(
      new SqsEventSource(inbox, { batchSize, maxConcurrency: mappers, reportBatchItemFailures: true }),
    );
    // Large events go back through the inbox in chunks.
    const resources = [inbox.queueArn, ...this.#queueArns(lanes, "lane")];
    allow(mapper.role, ["sqs:SendMessage"], resources);
    this.#letRead(mapper.role);
    this.#letAskGovernance(mapper.role);
    alarms.whenFailing("mapper-failing", mapper.function, "The mapper has failed for 3 min: events wait in the inbox.");
    const faults = pathMetric("MappingFaults", { deployment: shared.deployment });
    alarms.whenCounted("mapping-faults", faults, "A sheet could not map an event's values, and its packets are held.");
    const notAsked = pathMetric("GovernanceNotAsked", { deployment: shared.deployment, period: fiveMinutes });
    alarms.whenCounted("governance-not-asked", notAsked, "The compliance engine cannot be asked: nothing new leaves.");
    this.#tellRole("mapper", mapper.role);
    return mapper;
  }

  /** Compares the table with the queues every minute, and works on jobs. */
  #watchdog(bundle: Bundle, inbox: IQueue, lanes: readonly LaneMade[], alarms: Alarms): BridgeFunction {
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
        // Whoever closes a packet of a strict lane takes it out of the lane's list.
        packets: ["BatchGetItem", "Query", "DeleteItem", "PartiQLInsert", "PartiQLUpdate", "PartiQLDelete"],
        indexes: true,
        ledger: true,
        publishes: true,
      },
      everyMinute: true,
    });
    // Two statements, because one with every queue of 50 connectors is longer than any policy may be.
    allow(watchdog.role, ["sqs:SendMessage", "sqs:GetQueueAttributes"], this.#queueArns(lanes, "lane"));
    allow(watchdog.role, ["sqs:GetQueueAttributes"], this.#queueArns(lanes, "outbox"));
    // Chunks of large events, and lines of snapshots.
    allow(watchdog.role, ["sqs:SendMessage", "sqs:GetQueueAttributes"], [inbox.queueArn]);
    this.#letRead(watchdog.role);
    this.#letAskGovernance(watchdog.role);
    const says = "The watchdog has failed for 3 min: what a crash left behind is not mended, and no job goes on.";
    alarms.whenFailing("watchdog-failing", watchdog.function, says);
    this.#tellRole("watchdog", watchdog.role);
    return watchdog;
  }

  /** API for operators: over HTTP, with the callers' own permissions. */
  #ops(bundle: Bundle, lanes: readonly LaneMade[], alarms: Alarms): BridgeFunction {
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
        indexes: true,
        ledger: "read",
      },
    });
    // Statements of their own, as for the watchdog.
    allow(ops.role, ["sqs:SendMessage", "sqs:GetQueueAttributes"], this.#queueArns(lanes, "lane"));
    allow(ops.role, ["sqs:GetQueueAttributes"], this.#queueArns(lanes, "outbox"));
    allow(ops.role, ["lambda:InvokeFunction"], this.#probeArns(lanes));
    this.#letRead(ops.role);
    this.#letAskGovernance(ops.role);
    alarms.whenFailing("ops-failing", ops.function, "The operator's API has failed for 3 min; packets go on.");
    this.#tellRole("ops", ops.role);
    this.#tell("ops-url", new OpsApi(this, "OpsApi", { shared, handler: ops }).url);
    return ops;
  }

  /** Endpoint of outside systems: a message goes to the inbox once its signature is verified. */
  #inbound(bundle: Bundle, inbox: IQueue, alarms: Alarms): void {
    const shared = this.#shared;
    const door = new BridgeFunction(this, "Inbound", {
      shared,
      name: "inbound",
      bundle,
      handler: "receive",
      source: "functions/inbound.ts",
      environment: placesEnvironment(this, shared),
      // Whether it was here before.
      state: { packets: ["BatchGetItem"], ledger: false, onPackets: false },
    });
    allow(door.role, ["sqs:SendMessage"], [inbox.queueArn]);
    // What messages are signed with, of whichever connector; one by one they are longer than a policy may be.
    allow(
      door.role,
      ["secretsmanager:GetSecretValue"],
      secretArns(this, secretNameOf(shared.deployment, inboundSecretName("*"))),
    );
    const says = "Messages of outside systems could not be stored for 3 min; they are sent again.";
    alarms.whenFailing("inbound-failing", door.function, says);
    const { url } = new InboundApi(this, "InboundApi", { shared, handler: door });
    this.#tell("inbound-url", url);
    new CfnOutput(this, "InboundUrl", {
      description: "Where outside systems send messages: inbound/<connector>",
      value: url,
    });
  }

  #probeArns(lanes: readonly LaneMade[]): string[] {
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

  /** Lets a role read the token for the compliance engine, where one is named. */
  #letAskGovernance(role: Role): void {
    const { governance, name } = this.#settings;
    if (!governance) return;
    const resources = secretArns(this, secretNameOf(name, complianceSecret));
    allow(role, ["secretsmanager:GetSecretValue"], resources);
  }

  /** Lets a role read files in the places that are named, and in no others. */
  #letRead(role: Role): void {
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

  #queueArns(lanes: readonly LaneMade[], kind: "lane" | "outbox"): string[] {
    return lanes.map(({ connector }) =>
      this.formatArn({
        service: "sqs",
        resource: queueNameOf(this.#shared.deployment, `${kind}:${connectorId(connector)}`),
      }),
    );
  }

  /** For the mappings stack, which lets these roles read the sheets. */
  #tellRole(reader: SheetReader, { roleName }: Role): void {
    this.#tell(`role-${reader}`, roleName);
  }

  #tell(what: Parameter, stringValue: string): void {
    const parameterName = parameterOf(this.#settings.name, what);
    new StringParameter(this, `Parameter-${what}`, { parameterName, stringValue });
  }
}
