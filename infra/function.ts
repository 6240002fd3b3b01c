import { relative } from "node:path";
import { ArnFormat, Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import { Rule, Schedule } from "aws-cdk-lib/aws-events";
import { LambdaFunction as LambdaTarget } from "aws-cdk-lib/aws-events-targets";
import { Effect, PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import type { IKey } from "aws-cdk-lib/aws-kms";
import {
  Architecture,
  type CfnFunction,
  Code,
  Function as LambdaFunction,
  type RecursiveLoop,
  Runtime,
  Tracing,
} from "aws-cdk-lib/aws-lambda";
import { LogGroup } from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";
import { convertedSource } from "../bridge/model/event.ts";
import type { InboundEnv, PathEnv } from "../functions/env.ts";
import { alertSourceOf, functionNameOf, type packetIndexes } from "../platform/aws/names.ts";
import type { Bundle } from "./bundle.ts";
import type { Settings } from "./settings.ts";

/** Timeout of an invocation: enough for four consecutive sends that start within 20 s, and 8 s for the last one. */
export const functionTimeout = Duration.seconds(30);

/** Resources and settings that all functions of a deployment share. */
export interface Common {
  readonly deployment: string;
  readonly key: IKey;
  readonly logRetentionDays: number;
  readonly vpc: Settings["vpc"];
}

/** Resources and settings that the functions of the path share. */
export interface Shared extends Common {
  readonly packetsTable: string;
  readonly ledgerTable: string;
  /** ARN of the secret with the bridge's own key. */
  readonly bridgeKey: string;
  /** ARN of the bus. */
  readonly bus: string;
  readonly fips: boolean;
  readonly logLevel: PathEnv["LOG_LEVEL"];
}

export interface FunctionProps<Known extends Common = Common> {
  readonly shared: Known;
  /** Name without the deployment's name, which is its prefix. */
  readonly name: string;
  readonly bundle: Bundle;
  /** Name of the handler that the bundle exports. */
  readonly handler: string;
  /** Source file to read first, relative to the project's root. */
  readonly source: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly timeout?: Duration;
  /** True if the function is invoked every minute. */
  readonly everyMinute?: boolean;
  /** Lambda's handling of messages that return to the same function. By default, Lambda stops them. */
  readonly recursiveLoop?: RecursiveLoop;
}

/** A function with its own role and log group. Its role only permits writing logs and traces. */
export class PlainFunction extends Construct {
  readonly function: LambdaFunction;
  readonly role: Role;

  constructor(scope: Construct, id: string, props: FunctionProps) {
    super(scope, id);
    const { shared, name, bundle, handler, source, environment, everyMinute, recursiveLoop } = props;
    const { timeout = functionTimeout } = props;
    const functionName = functionNameOf(shared.deployment, name);
    const logs = new LogGroup(this, "Logs", {
      logGroupName: `/aws/lambda/${functionName}`,
      encryptionKey: shared.key,
      retention: shared.logRetentionDays,
      removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    });
    this.role = new Role(this, "Role", { assumedBy: new ServicePrincipal("lambda.amazonaws.com") });
    allow(this.role, ["logs:CreateLogStream", "logs:PutLogEvents"], [logs.logGroupArn]);
    this.function = new LambdaFunction(this, "Function", {
      functionName,
      description: source,
      code: Code.fromAsset(bundle.dir),
      handler: `index.${handler}`,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: 512,
      timeout,
      role: this.role,
      environment: definedOf(environment),
      environmentEncryption: shared.key,
      // Lambda itself traces each invocation, so the code needs no X-Ray SDK.
      tracing: Tracing.ACTIVE,
      ...(recursiveLoop && { recursiveLoop }),
    });
    this.function.node.addDependency(logs);
    if (shared.vpc) placeInVpc(this.function, this.role, functionName, shared.vpc);
    if (everyMinute) {
      const rule = new Rule(this, "EveryMinute", {
        description: `Calls ${functionName}`,
        schedule: Schedule.rate(Duration.minutes(1)),
      });
      // No retries: the next scheduled invocation covers a failed one.
      rule.addTarget(new LambdaTarget(this.function, { retryAttempts: 0, maxEventAge: Duration.minutes(1) }));
    }
  }
}

/** Permissions of a function on the packets table and the ledger. */
export interface StateUse {
  readonly packets: readonly ("BatchGetItem" | "Query" | "DeleteItem" | `PartiQL${"Insert" | "Update" | "Delete"}`)[];
  /** Indexes that the function also queries. */
  readonly indexes?: readonly (typeof packetIndexes)[keyof typeof packetIndexes][];
  /** `true` to append entries, `"read"` to read them as well. */
  readonly ledger: boolean | "read";
  /** True if the function publishes events converted from inbound messages. */
  readonly publishes?: boolean;
  /** False if the function neither hashes entities and values nor sends alerts. Functions that process packets do both. */
  readonly onPackets?: false;
}

/** A function of the path, which may also use the two tables as `state` allows. */
export class BridgeFunction extends PlainFunction {
  constructor(scope: Construct, id: string, props: FunctionProps<Shared> & { readonly state: StateUse }) {
    super(scope, id, props);
    grantState(this.role, props.shared, props.state);
  }
}

/** Allows a role to perform actions on resources, as a statement of its own policy. */
export function allow(role: Role, actions: string[], resources: string[]): void {
  role.addToPolicy(new PolicyStatement({ actions, resources }));
}

/** Grants access to the tables. On the ledger a role can only append: an INSERT fails if the entry already exists. */
function grantState(role: Role, shared: Shared, use: StateUse): void {
  const { key, packetsTable, ledgerTable, bridgeKey } = shared;
  const table = (resourceName: string) =>
    Stack.of(role).formatArn({ service: "dynamodb", resource: "table", resourceName });
  allow(
    role,
    use.packets.map((action) => `dynamodb:${action}`),
    [table(packetsTable)],
  );
  if (use.indexes) {
    const indexes = use.indexes.map((index) => table(`${packetsTable}/index/${index}`));
    allow(role, ["dynamodb:Query"], indexes);
  }
  if (use.ledger) {
    const readActions = use.ledger === "read" ? ["dynamodb:Query"] : [];
    allow(role, ["dynamodb:PartiQLInsert", ...readActions], [table(ledgerTable)]);
  }
  key.grantEncryptDecrypt(role);
  if (use.onPackets === false) return;
  allow(role, ["secretsmanager:GetSecretValue"], [bridgeKey]);
  grantPutEvents(role, shared, use.publishes ? [`${convertedSource}*`] : []);
}

/** Lets a role publish alerts of this deployment to the bus, and events from `sources`. */
export function grantPutEvents(role: Role, shared: Pick<Shared, "bus" | "deployment">, sources: string[] = []): void {
  const conditions = { StringLike: { "events:source": [alertSourceOf(shared.deployment), ...sources] } };
  role.addToPolicy(new PolicyStatement({ actions: ["events:PutEvents"], resources: [shared.bus], conditions }));
}

/**
 * Connects a function to the agency's network.
 *
 * Lambda creates and deletes the network interfaces with the function's own role, but the function's code is denied
 * these actions. Source: AWS Lambda, "Giving Lambda functions access to resources in an Amazon VPC".
 */
function placeInVpc(
  lambda: LambdaFunction,
  role: Role,
  functionName: string,
  { subnets, securityGroups }: NonNullable<Settings["vpc"]>,
): void {
  (lambda.node.defaultChild as CfnFunction).vpcConfig = { subnetIds: subnets, securityGroupIds: securityGroups };
  const actions = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
  ];
  const stack = Stack.of(lambda);
  const self = stack.formatArn({
    service: "lambda",
    resource: "function",
    resourceName: functionName,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
  allow(role, actions, ["*"]);
  role.addToPolicy(
    new PolicyStatement({
      effect: Effect.DENY,
      actions,
      resources: ["*"],
      conditions: { ArnEquals: { "lambda:SourceFunctionArn": self } },
    }),
  );
}

/** Returns the environment of every function of the path, in the shape that the functions parse. */
export function pathEnvironment(scope: Construct, shared: Shared): PathEnv {
  return { ...placesEnvironment(scope, shared), BRIDGE_KEY: shared.bridgeKey, BUS: shared.bus };
}

/** Returns the environment variables with the names of the tables and queues. */
export function placesEnvironment(scope: Construct, shared: Shared): InboundEnv {
  const { partition, region, account, urlSuffix } = Stack.of(scope);
  return {
    DEPLOYMENT: shared.deployment,
    PACKETS_TABLE: shared.packetsTable,
    LEDGER_TABLE: shared.ledgerTable,
    QUEUES_URL: `https://sqs.${region}.${urlSuffix}/${account}/`,
    QUEUES_ARN: `arn:${partition}:sqs:${region}:${account}:`,
    LOG_LEVEL: shared.logLevel,
    ...(shared.fips && { AWS_USE_FIPS_ENDPOINT: "true" as const }),
  };
}

function definedOf(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

/** Returns a file's path relative to `root`, as used in a function's description. */
export function sourcePath(root: string, file: string): string {
  return relative(root, file).replaceAll("\\", "/");
}
