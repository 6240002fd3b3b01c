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

export interface Deployed {
  readonly name: string;
  readonly role: string;
  /** Credentials of this function. */
  readonly accessKey: string;
}

/** The bridge, deployed by `cdk deploy` into an emulated account that checks every signature and policy. */
export interface Stage extends AsyncDisposable {
  readonly emulator: Emulator;
  readonly gateway: Gateway;
  readonly functions: readonly Deployed[];
  /** Parameters that the stacks share by Parameter Store: from `packets-table` to a table's name. */
  readonly parameters: Readonly<Record<string, string>>;
  /**
   * Changes a file of the project and ships the sheets all at once, as `npm run deploy:mappings -- --now` does.
   *
   * @returns what it printed
   * @throws with that where it is refused
   */
  ship(file: string, text: string): Promise<string>;
  readonly seconds: { readonly start: number; readonly bootstrap: number; readonly deploy: number };
}

export interface StageOptions {
  /** CDK context: a connector's name to its configuration. */
  readonly connectors: Readonly<Record<string, unknown>>;
  /** CDK context: where files may be read from. */
  readonly places?: readonly string[];
  /** Files to add to the project before it is deployed. */
  readonly files?: Readonly<Record<string, string>>;
  readonly say?: (line: string) => void;
}

/** Options of the SDK's clients that every process on the stage shares. */
export function stageEnvironment(endpoint: string): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: rootCredentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: rootCredentials.secretAccessKey,
  };
}

export async function deployStage({
  connectors,
  places = [],
  files = {},
  say = () => {},
}: StageOptions): Promise<Stage> {
  await using made = new AsyncDisposableStack();
  const began = Date.now();
  const since = (from: number) => (Date.now() - from) / 1_000;
  const gateway = made.use(await openGateway());
  const emulator = made.use(await startEmulator({ auth: true, functionsEndpoint: gateway.url }));
  gateway.emulatorPort = emulator.port;
  Object.assign(process.env, stageEnvironment(gateway.url));
  const start = since(began);
  say(`an AWS emulator of our own is up (${start.toFixed(1)} s)`);

  // The emulator's CloudFormation knows no archive.
  const cdkJson = cdkJsonWith({ connectors, places, archiveDays: 0 });
  const project = made.use(projectCopy({ ...files, "cdk.json": cdkJson, [shipFile]: shipNow }));
  const home = mkdtempSync(join(tmpdir(), "bridge-cdk-"));
  made.defer(() => rmSync(home, { recursive: true, force: true }));
  const cdk = (...args: string[]) => runIn(project.path, home, join("node_modules/aws-cdk/bin/cdk"), ...args);
  const bootstrapBegan = Date.now();
  await cdk("bootstrap", `aws://${account}/${region}`);
  const bootstrap = since(bootstrapBegan);
  say(`cdk bootstrap (${bootstrap.toFixed(1)} s)`);
  const deployBegan = Date.now();
  await cdk("deploy", "--all", "--require-approval", "never");
  const deploy = since(deployBegan);
  say(`cdk deploy --all (${deploy.toFixed(1)} s)`);

  const parameters = await publishedParameters();
  await bringHere(parameters, gateway.url);
  const shipBegan = Date.now();
  await runIn(project.path, home, shipFile);
  say(`npm run deploy:mappings -- --now (${since(shipBegan).toFixed(1)} s)`);
  const functions = await deployedFunctions();
  gateway.authorize = await judgeOf(functions);
  const kept = made.move();
  return {
    emulator,
    gateway,
    functions,
    parameters,
    seconds: { start, bootstrap, deploy },
    async ship(file, text) {
      writeFileSync(join(project.path, file), text);
      return runIn(project.path, home, shipFile);
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** The deployment command, which does not wait here for every mapper to have asked: the tests wait for what they need. */
const shipFile = "ship-now.ts";
const shipNow = `import { run } from "./infra/deploy.ts";
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

async function deployedFunctions(): Promise<Deployed[]> {
  const lambda = new LambdaClient();
  const { Functions = [] } = await lambda.send(new ListFunctionsCommand());
  lambda.destroy();
  return Functions.map(({ FunctionName = "", FunctionArn = "", Role = "" }) => ({
    name: FunctionName,
    role: Role.split("/").at(-1) as string,
    // As the emulator makes a function's own credentials. If that changes, no call can be attributed to a function, and tests fail.
    accessKey: `ASIA${hash("sha256", `${FunctionArn}:${Role}`).slice(0, 16).toUpperCase()}`,
  }));
}

/**
 * Judges what the emulator cannot, by the policies the functions were deployed with; and gives their roles what only
 * the emulator asks for:
 *
 * - It takes `dynamodb:ExecuteTransaction` and its like for actions of IAM, and knows nothing of what statements do. So every role
 *   may execute statements, and each statement is judged here.
 * - It knows no `events:source`, on which the right to publish depends.
 * - It takes `sqs:SendMessageBatch` for an action of IAM, where AWS asks for `sqs:SendMessage`.
 * - Its CloudFormation gives a secret's name where AWS gives its ARN, so a grant on a secret names nothing.
 */
async function judgeOf(functions: readonly Deployed[]): Promise<Authorize> {
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
        PolicyName: "what-only-the-emulator-asks-for",
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

/** An HTTP API's own host is one of AWS: clients get the emulator's address for it. */
async function bringHere(parameters: Readonly<Record<string, string>>, gateway: string): Promise<void> {
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
  const told: Record<string, string> = {};
  for await (const { Parameters = [] } of paginateGetParametersByPath({ client: ssm }, { Path: "/hms-bridge" })) {
    for (const { Name = "", Value = "" } of Parameters) told[Name.split("/").at(-1) as string] = Value;
  }
  ssm.destroy();
  return told;
}
