import { relative } from "node:path";
import { Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import { PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import type { IKey } from "aws-cdk-lib/aws-kms";
import { Architecture, Code, Function as LambdaFunction, type RecursiveLoop, Runtime } from "aws-cdk-lib/aws-lambda";
import { LogGroup } from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";
import type { PathEnv } from "../functions/env.ts";
import type { Bundle } from "./bundle.ts";

/** How long one call may run: four sends in a row that each take their whole 5 s, and 8 s for the last of them. */
export const functionTimeout = Duration.seconds(30);

/** What the functions of a deployment share. */
export interface Shared {
  readonly deployment: string;
  readonly key: IKey;
  readonly packetsTable: string;
  readonly ledgerTable: string;
  /** The ARN of the secret that holds the bridge's own key. */
  readonly bridgeKey: string;
  readonly fips: boolean;
  readonly logRetentionDays: number;
  readonly logLevel: PathEnv["LOG_LEVEL"];
}

export interface BridgeFunctionProps {
  readonly shared: Shared;
  /** Below the deployment's name. */
  readonly name: string;
  readonly bundle: Bundle;
  /** The file to read first, below the project's root. */
  readonly source: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What Lambda does about messages that come back to a function. Its own default: it stops them. */
  readonly recursiveLoop?: RecursiveLoop;
}

/** A function of the path with a role and a log group of its own, which may use the two tables and nothing else yet. */
export class BridgeFunction extends Construct {
  readonly function: LambdaFunction;
  readonly role: Role;

  constructor(scope: Construct, id: string, props: BridgeFunctionProps) {
    super(scope, id);
    const { shared, name, bundle, source, environment, recursiveLoop } = props;
    const functionName = `${shared.deployment}-${name}`;
    const logs = new LogGroup(this, "Logs", {
      logGroupName: `/aws/lambda/${functionName}`,
      encryptionKey: shared.key,
      retention: shared.logRetentionDays,
      removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    });
    this.role = new Role(this, "Role", { assumedBy: new ServicePrincipal("lambda.amazonaws.com") });
    this.role.addToPolicy(
      new PolicyStatement({
        actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
        resources: [logs.logGroupArn],
      }),
    );
    grantState(this.role, shared);
    this.function = new LambdaFunction(this, "Function", {
      functionName,
      description: source,
      code: Code.fromAsset(bundle.dir),
      handler: "index.handler",
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: 512,
      timeout: functionTimeout,
      role: this.role,
      environment: definedOf(environment),
      environmentEncryption: shared.key,
      ...(recursiveLoop && { recursiveLoop }),
    });
    this.function.node.addDependency(logs);
  }
}

/** Reads and writes as the store does them; on the ledger it can only append. */
function grantState(role: Role, { key, packetsTable, ledgerTable, bridgeKey }: Shared): void {
  const table = (resourceName: string) =>
    Stack.of(role).formatArn({ service: "dynamodb", resource: "table", resourceName });
  role.addToPolicy(
    new PolicyStatement({
      actions: [
        "dynamodb:BatchGetItem",
        "dynamodb:Query",
        "dynamodb:PutItem",
        "dynamodb:PartiQLInsert",
        "dynamodb:PartiQLUpdate",
        "dynamodb:PartiQLDelete",
      ],
      resources: [table(packetsTable)],
    }),
  );
  role.addToPolicy(new PolicyStatement({ actions: ["dynamodb:PartiQLInsert"], resources: [table(ledgerTable)] }));
  role.addToPolicy(new PolicyStatement({ actions: ["secretsmanager:GetSecretValue"], resources: [bridgeKey] }));
  key.grantEncryptDecrypt(role);
}

/** What every function is told, for the schema that reads it. */
export function pathEnvironment(scope: Construct, shared: Shared): PathEnv {
  const { partition, region, account, urlSuffix } = Stack.of(scope);
  return {
    DEPLOYMENT: shared.deployment,
    PACKETS_TABLE: shared.packetsTable,
    LEDGER_TABLE: shared.ledgerTable,
    BRIDGE_KEY: shared.bridgeKey,
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
