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

/** Parts of a lane: a connector, its configuration, and its function's code. */
export interface LaneMade extends ConnectorFile {
  readonly config: unknown;
  readonly bundle: Bundle;
}

export interface LaneProps extends LaneMade {
  readonly shared: Shared;
  /** Topic that alarms notify. */
  readonly topic: ITopic;
}

/** A connector's lane in a stack of its own, because a stack holds no more than 500 resources. */
export class LaneStack extends NestedStack {
  constructor(scope: Construct, id: string, props: LaneProps) {
    super(scope, id, { description: `HMS Sync Bridge: the lane of ${connectorId(props.connector)}` });
    new Lane(this, "Lane", props);
  }
}

/** Parts of a lane that have alarms. */
interface Watched {
  readonly deployment: string;
  readonly queue: IQueue;
  readonly outbox: IQueue;
  readonly sender: IFunction;
  readonly prober: IFunction;
  readonly topic: ITopic;
}

/** All that one connector runs on: its lane queue, its outbox, the function that delivers, and the one that probes. */
export class Lane extends Construct {
  constructor(scope: Construct, id: string, { connector, file, shared, bundle, config, topic }: LaneProps) {
    super(scope, id);
    const connectorName = connectorId(connector);
    if (connector.rate.concurrency === 1 && connector.lane !== "connector") {
      throw new Error(
        `${sourcePath(projectRoot, file)}: one send at a time takes one lane on AWS; say lane: "connector", or concurrency: 2`,
      );
    }
    const { deployment, key } = shared;
    const outbox = pathQueue(this, "Outbox", { key, name: queueNameOf(deployment, `outbox:${connectorName}`) });
    const queue = pathQueue(this, "Queue", {
      key,
      name: queueNameOf(deployment, `lane:${connectorName}`),
      dead: outbox,
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
      // A packet that goes lane, outbox, lane again is meant to; Lambda would stop it after 16 rounds.
      recursiveLoop: RecursiveLoop.ALLOW,
    });
    sender.function.addEventSource(
      new SqsEventSource(queue, {
        batchSize,
        maxConcurrency: shareOf(connector.rate).processes,
        reportBatchItemFailures: true,
      }),
    );
    // Into the outbox it parks; onto its lane it puts the next of a strict lane back.
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
    this.#watch(connectorName, { deployment, queue, outbox, ...functions, topic });
  }

  #watch(connector: string, { deployment, queue, outbox, sender, prober, topic }: Watched): void {
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
    alarms.whenFailing("connector-failing", sender, `${connector}: its function has failed for 3 min.`);
    alarms.whenFailing("probe-failing", prober, `${connector}: its probe has failed for 3 min; nothing is redriven.`);
    const isDown = counted("TargetDown", "Maximum");
    alarms.whenCounted("target-down", isDown, `${connector}: the target is down; its packets wait in the outbox.`);
    alarms.whenCounted("packets-held", counted("Held"), `${connector}: a packet needs a person's decision.`);
    const breaches = counted("WindowBreaches");
    alarms.whenCounted("window-breached", breaches, `${connector}: a packet is later than its consistency window.`);
  }
}

/** A strict connector looks for the oldest packet of a lane, and takes it out of the lane's list when it is closed. */
function packetsUse({ order }: Connector): StateUse["packets"] {
  const each = ["BatchGetItem", "PartiQLInsert", "PartiQLUpdate"] as const;
  return order === "strict" ? [...each, "Query", "PartiQLDelete"] : each;
}

/**
 * Lets a role put objects into a folder of a bucket, and neither see nor remove them.
 *
 * Source: Amazon S3 User Guide, "Reducing encryption costs", "Using SSE-KMS": a put takes `kms:GenerateDataKey`.
 */
function grantPuts(role: Role, { place, kmsKey }: S3Place): void {
  const resources = [`arn:${Stack.of(role).partition}:s3:::${place.slice("s3://".length)}*`];
  allow(role, ["s3:PutObject"], resources);
  if (kmsKey !== undefined) {
    allow(role, ["kms:GenerateDataKey"], [kmsKey]);
  }
}

/**
 * Lets a role look how much an outbox holds, and have SQS move it back to its lane.
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
 * Secrets Manager ends a secret's ARN with six characters nobody can know before it is made. Asked for one that is not
 * there it looks at the ARN without them, and a caller without access to it gets "denied" instead of "not found".
 */
export function secretArns(scope: Construct, name: string): string[] {
  const arnFormat = ArnFormat.COLON_RESOURCE_NAME;
  return [name, `${name}-??????`].map((resourceName) =>
    Stack.of(scope).formatArn({ service: "secretsmanager", resource: "secret", resourceName, arnFormat }),
  );
}
