import { execFile } from "node:child_process";
import { hash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { GetRolePolicyCommand, IAMClient, ListRolePoliciesCommand, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import { LambdaClient, ListFunctionsCommand } from "@aws-sdk/client-lambda";
import { PutParameterCommand, paginateGetParametersByPath, SSMClient } from "@aws-sdk/client-ssm";
import { allows, type Grant, grantsIn } from "../support/grants.ts";
import { cdkJsonWith, projectCopy } from "../support/project-copy.ts";
import { account, type Emulator, region, rootCredentials, startEmulator } from "./emulator/emulator.ts";
import { type Authorize, type Gateway, openGateway } from "./emulator/gateway.ts";

const run = promisify(execFile);

export interface DeployedFunction {
  readonly name: string;
  readonly role: string;
  /** Credentials of this function. */
  readonly accessKey: string;
}

/** The bridge, deployed with `cdk deploy` to an emulated account that checks every signature and policy. */
export interface Stage extends AsyncDisposable {
  readonly emulator: Emulator;
  readonly gateway: Gateway;
  readonly functions: readonly DeployedFunction[];
  /** Values that the stacks share in Parameter Store, by name such as `packets-table`. */
  readonly parameters: Readonly<Record<string, string>>;
  /**
   * Changes a file of the project and deploys the sheets like `npm run deploy:mappings -- --now`.
   *
   * @returns the command's output
   * @throws {Error} with the output if the sheets are rejected
   */
  deploySheets(file: string, text: string): Promise<string>;
  readonly seconds: { readonly start: number; readonly bootstrap: number; readonly deploy: number };
}

export interface StageOptions {
  /** CDK context: configurations by connector name. */
  readonly connectors: Readonly<Record<string, unknown>>;
  /** CDK context: folders from which files may be read. */
  readonly places?: readonly string[];
  /** Files to add to the project before the deployment. */
  readonly files?: Readonly<Record<string, string>>;
  readonly log?: (line: string) => void;
}

/** Returns the SDK settings that all processes of the suite share. */
export function stageEnvironment(endpoint: string): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: rootCredentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: rootCredentials.secretAccessKey,
  };
}

/** Starts an emulator and deploys the bridge to it. */
export async function deployStage({
  connectors,
  places = [],
  files = {},
  log = () => {},
}: StageOptions): Promise<Stage> {
  await using made = new AsyncDisposableStack();
  const began = Date.now();
  const since = (from: number) => (Date.now() - from) / 1_000;
  const gateway = made.use(await openGateway());
  const emulator = made.use(await startEmulator({ auth: true, functionsEndpoint: gateway.url }));
  gateway.emulatorPort = emulator.port;
  Object.assign(process.env, stageEnvironment(gateway.url));
  const start = since(began);
  log(`the AWS emulator is running (${start.toFixed(1)} s)`);

  // The emulator's CloudFormation does not support archives.
  const cdkJson = cdkJsonWith({ connectors, places, archiveDays: 0 });
  const project = made.use(projectCopy({ ...files, "cdk.json": cdkJson, [deployFile]: deployNow }));
  const home = mkdtempSync(join(tmpdir(), "bridge-cdk-"));
  made.defer(() => rmSync(home, { recursive: true, force: true }));
  const cdk = (...args: string[]) => runIn(project.path, home, join("node_modules/aws-cdk/bin/cdk"), ...args);
  const bootstrapBegan = Date.now();
  await cdk("bootstrap", `aws://${account}/${region}`);
  const bootstrap = since(bootstrapBegan);
  log(`cdk bootstrap (${bootstrap.toFixed(1)} s)`);
  const deployBegan = Date.now();
  await cdk("deploy", "--all", "--require-approval", "never");
  const deploy = since(deployBegan);
  log(`cdk deploy --all (${deploy.toFixed(1)} s)`);

  const parameters = await publishedParameters();
  await useGatewayUrls(parameters, gateway.url);
  const sheetsBegan = Date.now();
  await runIn(project.path, home, deployFile);
  log(`npm run deploy:mappings -- --now (${since(sheetsBegan).toFixed(1)} s)`);
  const functions = await deployedFunctions();
  gateway.authorize = await authorizerFor(functions);
  const kept = made.move();
  return {
    emulator,
    gateway,
    functions,
    parameters,
    seconds: { start, bootstrap, deploy },
    async deploySheets(file, text) {
      writeFileSync(join(project.path, file), text);
      return runIn(project.path, home, deployFile);
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Runs the deployment command without waiting for the mappers; the tests wait for the result they need. */
const deployFile = "deploy-now.ts";
const deployNow = `import { run } from "./infra/deploy.ts";
process.exitCode = await run(["mappings", "--now"], async () => {});
`;

async function runIn(project: string, home: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, HOME: home, CDK_DISABLE_CLI_TELEMETRY: "true", CI: "true" };
  try {
    const { stdout } = await run(process.execPath, args, { cwd: project, env });
    return stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${args.slice(0, 2).join(" ")} failed:\n${`${stdout}${stderr}`.slice(-4_000)}`, { cause: error });
  }
}

async function deployedFunctions(): Promise<DeployedFunction[]> {
  const lambda = new LambdaClient();
  const { Functions = [] } = await lambda.send(new ListFunctionsCommand());
  lambda.destroy();
  return Functions.map(({ FunctionName = "", FunctionArn = "", Role = "" }) => ({
    name: FunctionName,
    role: Role.split("/").at(-1) as string,
    // The emulator derives a function's credentials this way. If that changes, no call can be attributed to a function
    // and tests fail.
    accessKey: `ASIA${hash("sha256", `${FunctionArn}:${Role}`).slice(0, 16).toUpperCase()}`,
  }));
}

/**
 * Returns an authorizer that applies the functions' deployed policies to calls that the emulator cannot check. Also
 * gives their roles the permissions that only the emulator requires:
 *
 * - It requires `dynamodb:ExecuteTransaction` and the like, which are not IAM actions, and ignores what statements do.
 *   So every role may execute statements, and the authorizer checks each statement.
 * - It does not support the condition key `events:source`, which limits who may publish.
 * - It requires `sqs:SendMessageBatch`, where AWS requires `sqs:SendMessage`.
 * - Its CloudFormation returns a secret's name instead of its ARN, so policies on secrets match nothing.
 */
async function authorizerFor(functions: readonly DeployedFunction[]): Promise<Authorize> {
  const iam = new IAMClient();
  const byKey = new Map<string, readonly Grant[]>();
  for (const { role, accessKey } of functions) {
    const { PolicyNames = [] } = await iam.send(new ListRolePoliciesCommand({ RoleName: role }));
    const policies = await Promise.all(
      PolicyNames.map(async (PolicyName) => {
        const { PolicyDocument = "" } = await iam.send(new GetRolePolicyCommand({ RoleName: role, PolicyName }));
        return grantsIn(JSON.parse(decodeURIComponent(PolicyDocument)).Statement);
      }),
    );
    const grants = policies.flat();
    byKey.set(accessKey, grants);
    const statements = ["ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"].map(
      (action) => `dynamodb:${action}`,
    );
    const secrets = grants.filter(({ resource }) => resource !== "*" && !resource.startsWith("arn:"));
    const batches = grants.filter(({ action }) =>
      /^sqs:(SendMessage|DeleteMessage|ChangeMessageVisibility)$/.test(action),
    );
    const buses = grants.filter(({ action }) => action === "events:PutEvents");
    const Statement = [
      { Effect: "Allow", Action: statements, Resource: "*" },
      ...batches.map(({ action, resource }) => ({ Effect: "Allow", Action: `${action}Batch`, Resource: resource })),
      ...buses.map(({ action, resource }) => ({ Effect: "Allow", Action: action, Resource: resource })),
      ...secrets.map(({ action, resource }) => ({ Effect: "Allow", Action: action, Resource: secretArn(resource) })),
    ];
    await iam.send(
      new PutRolePolicyCommand({
        RoleName: role,
        PolicyName: "emulator-only",
        PolicyDocument: JSON.stringify({ Version: "2012-10-17", Statement }),
      }),
    );
  }
  iam.destroy();
  return (accessKey, call) => allows(byKey.get(accessKey) ?? [], call);
}

function secretArn(name: string): string {
  return `arn:aws:secretsmanager:${region}:${account}:secret:${name}-??????`;
}

/** Replaces the AWS host of HTTP APIs in the parameters by the emulator's address. */
async function useGatewayUrls(parameters: Readonly<Record<string, string>>, gateway: string): Promise<void> {
  const ssm = new SSMClient();
  for (const [name, value] of Object.entries(parameters)) {
    const [, api, path] = /^https:\/\/(\w+)\.execute-api\.[^/]+(\/.*)$/.exec(value) ?? [];
    if (!api) continue;
    const Value = `${gateway}/_aws/execute-api/${api}${path}`;
    await ssm.send(new PutParameterCommand({ Name: `/hms-bridge/${name}`, Value, Overwrite: true }));
  }
  ssm.destroy();
}

async function publishedParameters(): Promise<Record<string, string>> {
  const ssm = new SSMClient();
  const parameters: Record<string, string> = {};
  for await (const { Parameters = [] } of paginateGetParametersByPath({ client: ssm }, { Path: "/hms-bridge" })) {
    for (const { Name = "", Value = "" } of Parameters) parameters[Name.split("/").at(-1) as string] = Value;
  }
  ssm.destroy();
  return parameters;
}
