import { ArnFormat, NestedStack, Stack } from "aws-cdk-lib";
import type { Role } from "aws-cdk-lib/aws-iam";
import { type IFunction, RecursiveLoop } from "aws-cdk-lib/aws-lambda";
import { SqsEventSource } from "aws-cdk-lib/aws-lambda-event-sources";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import type { IQueue, Queue } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import { type Connector, connectorId, type S3Place } from "../bridge/model/connector.ts";
import type { ConnectorFile } from "../connectors/protocols/load-connectors.ts";
import { batchSize, shareOf } from "../functions/concurrency.ts";
import type { ConnectorEnvironment } from "../functions/env.ts";
import type { MetricName } from "../functions/log-metrics.ts";
import { probeNameOf, queueNameOf, secretNameOf } from "../platform/aws/names.ts";
import { Alarms } from "./alarms.ts";
import { type Bundle, projectRoot } from "./bundle.ts";
import { allow, BridgeFunction, pathEnvironment, type Shared, type StateUse, sourcePath } from "./function.ts";
import { fiveMinutes, pathMetric } from "./metrics.ts";
import { pathQueue } from "./queues.ts";

/** Inputs of a lane: a connector, its configuration, and its function's code. */
export interface LaneDefinition extends ConnectorFile {
  readonly config: unknown;
  readonly bundle: Bundle;
}

export interface LaneProps extends LaneDefinition {
  readonly shared: Shared;
  /** Topic notified by alarms. */
  readonly topic: ITopic;
}

/** A connector's lane as a nested stack, because a stack can hold at most 500 resources. */
export class LaneStack extends NestedStack {
  constructor(scope: Construct, id: string, props: LaneProps) {
    super(scope, id, { description: `HMS Sync Bridge: the lane of ${connectorId(props.connector)}` });
    new Lane(this, "Lane", props);
  }
}

/** Resources of a lane that have alarms. */
interface LaneResources {
  readonly deployment: string;
  readonly queue: IQueue;
  readonly outbox: IQueue;
  readonly sender: IFunction;
  readonly prober: IFunction;
  readonly topic: ITopic;
}

/** Resources of one connector: its lane queue, its outbox, and the functions that deliver and probe. */
export class Lane extends Construct {
  constructor(scope: Construct, id: string, { connector, file, shared, bundle, config, topic }: LaneProps) {
    super(scope, id);
    const connectorName = connectorId(connector);
    if (connector.rate.concurrency === 1 && connector.lane !== "connector") {
      throw new Error(
        `${sourcePath(projectRoot, file)}: concurrency: 1 needs a single lane on AWS; set lane: "connector", or concurrency: 2`,
      );
    }
    const { deployment, key } = shared;
    const outbox = pathQueue(this, "Outbox", { key, name: queueNameOf(deployment, `outbox:${connectorName}`) });
    const queue = pathQueue(this, "Queue", {
      key,
      name: queueNameOf(deployment, `lane:${connectorName}`),
      deadLetters: outbox,
    });

    const environment: ConnectorEnvironment = { ...pathEnvironment(this, shared), CONFIG: JSON.stringify(config) };
    const sender = new BridgeFunction(this, "Connector", {
      shared,
      name: connectorName.replaceAll("@", "-"),
      bundle,
      handler: "deliver",
      source: sourcePath(projectRoot, file),
      environment,
      state: { packets: packetsUse(connector), ledger: true },
      // Packets move back and forth between lane and outbox by design. Lambda would stop them after 16 rounds.
      recursiveLoop: RecursiveLoop.ALLOW,
    });
    sender.function.addEventSource(
      new SqsEventSource(queue, {
        batchSize,
        maxConcurrency: shareOf(connector.rate).processes,
        reportBatchItemFailures: true,
      }),
    );
    // The function parks packets in the outbox, and requeues the next packet of a strict lane.
    const sendsTo = connector.order === "strict" ? [outbox.queueArn, queue.queueArn] : [outbox.queueArn];
    allow(sender.role, ["sqs:SendMessage"], sendsTo);

    const prober = new BridgeFunction(this, "Probe", {
      shared,
      name: probeNameOf(connectorName),
      bundle,
      handler: "probe",
      source: "bridge/maintenance/probe.ts",
      environment,
      state: { packets: ["BatchGetItem", "PartiQLInsert", "PartiQLUpdate"], ledger: false },
      everyMinute: true,
    });
    grantRedrive(prober.role, outbox, queue);
    if (connector.poll && (connector.polls?.(connector.config.parse(config)) ?? true)) {
      const inbox = Stack.of(this).formatArn({ service: "sqs", resource: queueNameOf(deployment, "inbox") });
      allow(prober.role, ["sqs:SendMessage"], [inbox]);
    }

    if (connector.secret) {
      const resources = [connectorName, connector.name].flatMap((name) =>
        secretArns(this, secretNameOf(deployment, name)),
      );
      for (const { role } of [sender, prober]) allow(role, ["secretsmanager:GetSecretValue"], resources);
    }

    const needs = connector.needs?.(connector.config.parse(config));
    if (needs && "puts" in needs) for (const place of needs.puts) grantPuts(sender.role, place);

    const functions = { sender: sender.function, prober: prober.function };
    this.#addAlarms(connectorName, { deployment, queue, outbox, ...functions, topic });
  }

  #addAlarms(connector: string, { deployment, queue, outbox, sender, prober, topic }: LaneResources): void {
    const prefix = `${deployment}-${connector.replaceAll("@", "-")}`;
    const alarms = new Alarms(this, "Alarms", { prefix, topic });
    const counted = (name: MetricName, statistic = "Sum") =>
      pathMetric(name, { deployment, connector, statistic, period: fiveMinutes });
    alarms.whenOld(
      "lane-waits",
      queue,
      { seconds: 300, minutes: 5 },
      `${connector}: a packet has waited in its lane for 5 min.`,
    );
    alarms.whenFilled("outbox-waits", outbox, 15, `${connector}: packets have waited in the outbox for 15 min.`);
    alarms.whenFailing("connector-failing", sender, `${connector}: its function has been failing for 3 min.`);
    alarms.whenFailing(
      "probe-failing",
      prober,
      `${connector}: its probe has been failing for 3 min; no packet is redriven.`,
    );
    const isDown = counted("TargetDown", "Maximum");
    alarms.whenCounted("target-down", isDown, `${connector}: the target is down; its packets wait in the outbox.`);
    alarms.whenCounted(
      "packets-held",
      counted("Held"),
      `${connector}: a packet is waiting for an operator's decision.`,
    );
    const breaches = counted("WindowBreaches");
    alarms.whenCounted(
      "window-breached",
      breaches,
      `${connector}: a packet was not delivered within its consistency window.`,
    );
  }
}

/**
 * Returns the table operations of a connector. A strict connector also queries a lane for its oldest packet and deletes
 * closed packets from the lane's list.
 */
function packetsUse({ order }: Connector): StateUse["packets"] {
  const common = ["BatchGetItem", "PartiQLInsert", "PartiQLUpdate"] as const;
  return order === "strict" ? [...common, "Query", "PartiQLDelete"] : common;
}

/**
 * Lets a role put objects into a folder of a bucket, but neither read nor delete them.
 *
 * Source: Amazon S3 User Guide, "Reducing encryption costs", "Using SSE-KMS": a put needs `kms:GenerateDataKey`.
 */
function grantPuts(role: Role, { place, kmsKey }: S3Place): void {
  const resources = [`arn:${Stack.of(role).partition}:s3:::${place.slice("s3://".length)}*`];
  allow(role, ["s3:PutObject"], resources);
  if (kmsKey !== undefined) {
    allow(role, ["kms:GenerateDataKey"], [kmsKey]);
  }
}

/**
 * Lets a role read the size of an outbox and have SQS move its messages back to the lane.
 *
 * Source: Amazon SQS Developer Guide, "Configure permissions for a dead-letter queue redrive".
 */
function grantRedrive(role: Role, outbox: Queue, queue: Queue): void {
  allow(
    role,
    [
      "sqs:GetQueueAttributes",
      "sqs:StartMessageMoveTask",
      "sqs:ListMessageMoveTasks",
      "sqs:CancelMessageMoveTask",
      "sqs:ReceiveMessage",
      "sqs:DeleteMessage",
    ],
    [outbox.queueArn],
  );
  allow(role, ["sqs:SendMessage"], [queue.queueArn]);
}

/**
 * Returns the ARN patterns of a secret that is identified by its name.
 *
 * Secrets Manager appends six random characters to the ARN when it creates a secret. For a secret that does not exist,
 * it checks access to the ARN without them and, if that is denied, answers "access denied" instead of "not found".
 */
export function secretArns(scope: Construct, name: string): string[] {
  const arnFormat = ArnFormat.COLON_RESOURCE_NAME;
  return [name, `${name}-??????`].map((resourceName) =>
    Stack.of(scope).formatArn({ service: "secretsmanager", resource: "secret", resourceName, arnFormat }),
  );
}
