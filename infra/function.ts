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
import { alertSourceOf, functionNameOf, packetIndexes } from "../platform/aws/names.ts";
import type { Bundle } from "./bundle.ts";
import type { Settings } from "./settings.ts";

/** Timeout of one call: four sends in a row of 5 s each, and 8 s for the last of them. */
export const functionTimeout = Duration.seconds(30);

/** Parts that all functions of a deployment share. */
export interface Common {
  readonly deployment: string;
  readonly key: IKey;
  readonly logRetentionDays: number;
  readonly vpc: Settings["vpc"];
}

/** Parts that the functions of the path share. */
export interface Shared extends Common {
  readonly packetsTable: string;
  readonly ledgerTable: string;
  /** The ARN of the secret that holds the bridge's own key. */
  readonly bridgeKey: string;
  /** The ARN of the bus. */
  readonly bus: string;
  readonly fips: boolean;
  readonly logLevel: PathEnv["LOG_LEVEL"];
}

export interface FunctionProps<Known extends Common = Common> {
  readonly shared: Known;
  /** Below the deployment's name. */
  readonly name: string;
  readonly bundle: Bundle;
  /** Name of the handler that the bundle exports. */
  readonly handler: string;
  /** The file to read first, below the project's root. */
  readonly source: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly timeout?: Duration;
  /** Called every minute, if said. */
  readonly everyMinute?: boolean;
  /** Lambda's treatment of messages that return to a function. Default of Lambda: it stops them. */
  readonly recursiveLoop?: RecursiveLoop;
}

/** A function with a role and a log group of its own, which may write its log and its trace and nothing else. */
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
      // Of itself: Lambda reports each call, and the code needs no X-Ray SDK.
      tracing: Tracing.ACTIVE,
      ...(recursiveLoop && { recursiveLoop }),
    });
    this.function.node.addDependency(logs);
    if (shared.vpc) standIn(this.function, this.role, functionName, shared.vpc);
    if (everyMinute) {
      const rule = new Rule(this, "EveryMinute", {
        description: `Calls ${functionName}`,
        schedule: Schedule.rate(Duration.minutes(1)),
      });
      // A minute that is missed is made up for by the next.
      rule.addTarget(new LambdaTarget(this.function, { retryAttempts: 0, maxEventAge: Duration.minutes(1) }));
    }
  }
}

/** Access of a function to the packets table and the ledger. */
export interface StateUse {
  readonly packets: readonly ("BatchGetItem" | "Query" | "DeleteItem" | `PartiQL${"Insert" | "Update" | "Delete"}`)[];
  /** True if it also queries the indexes. */
  readonly indexes?: boolean;
  /** `true` to append entries, `"read"` to read them as well. */
  readonly ledger: boolean | "read";
  /** True if it publishes events made of inbound messages. */
  readonly publishes?: boolean;
  /** True if it hashes entities and values and sends alerts, as all functions that work on packets do. */
  readonly onPackets?: false;
}

/** A function of the path: it may also use the two tables as it is said, and nothing else yet. */
export class BridgeFunction extends PlainFunction {
  constructor(scope: Construct, id: string, props: FunctionProps<Shared> & { readonly state: StateUse }) {
    super(scope, id, props);
    grantState(this.role, props.shared, props.state);
  }
}

/** Lets a role do these, with these: a statement of its own policy. */
export function allow(role: Role, actions: string[], resources: string[]): void {
  role.addToPolicy(new PolicyStatement({ actions, resources }));
}

/** On the ledger a role can only append: an INSERT fails where the entry is there already. */
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
    const indexes = Object.values(packetIndexes).map((index) => table(`${packetsTable}/index/${index}`));
    allow(role, ["dynamodb:Query"], indexes);
  }
  if (use.ledger) {
    const look = use.ledger === "read" ? ["dynamodb:Query"] : [];
    allow(role, ["dynamodb:PartiQLInsert", ...look], [table(ledgerTable)]);
  }
  key.grantEncryptDecrypt(role);
  if (use.onPackets === false) return;
  allow(role, ["secretsmanager:GetSecretValue"], [bridgeKey]);
  grantPutEvents(role, shared, use.publishes ? [`${convertedSource}*`] : []);
}

/** Lets a role tell alerts on the bus, in the bridge's own name, and publish from no sources but those. */
export function grantPutEvents(role: Role, shared: Pick<Shared, "bus" | "deployment">, sources: string[] = []): void {
  const conditions = { StringLike: { "events:source": [alertSourceOf(shared.deployment), ...sources] } };
  role.addToPolicy(new PolicyStatement({ actions: ["events:PutEvents"], resources: [shared.bus], conditions }));
}

/**
 * Puts a function into the agency's network.
 *
 * Lambda makes and removes the network interfaces with the function's own role; the function's code is kept from doing
 * so. Source: AWS Lambda, "Giving Lambda functions access to resources in an Amazon VPC".
 */
function standIn(
  made: LambdaFunction,
  role: Role,
  functionName: string,
  { subnets, securityGroups }: NonNullable<Settings["vpc"]>,
): void {
  (made.node.defaultChild as CfnFunction).vpcConfig = { subnetIds: subnets, securityGroupIds: securityGroups };
  const actions = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
  ];
  const stack = Stack.of(made);
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

/** Environment of every function of the path, in the shape of the schema that reads it. */
export function pathEnvironment(scope: Construct, shared: Shared): PathEnv {
  return { ...placesEnvironment(scope, shared), BRIDGE_KEY: shared.bridgeKey, BUS: shared.bus };
}

/** Names of the tables and queues. */
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

/** A path as a function's description gives it. */
export function sourcePath(root: string, file: string): string {
  return relative(root, file).replaceAll("\\", "/");
}
