import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { AppConfigClient } from "@aws-sdk/client-appconfig";
import { GetParameterCommand, ParameterNotFound, SSMClient } from "@aws-sdk/client-ssm";
import { Command, CommanderError } from "commander";
import * as z from "zod";
import { type AppConfigTargets, readAppConfigTargets } from "../platform/aws/appconfig-targets.ts";
import { parameterOf } from "../platform/aws/names.ts";
import { SheetsError } from "../platform/local/sheet-watcher.ts";
import { buildSheetBundle } from "./build-sheet-bundle.ts";
import { projectRoot } from "./bundle.ts";
import { type DeploymentResult, deploySheets } from "./deploy-sheets.ts";
import { readSettings, type Settings } from "./settings.ts";

/** As of the command line `bridge`: done, the answer is no, the call was wrong, it could not be done. */
const exitCodes = { done: 0, no: 1, wrongCall: 2, couldNot: 3 } as const;

type Sleep = (ms: number) => Promise<void>;

interface Options {
  readonly context: Readonly<Record<string, string>>;
  readonly mappings: string;
  readonly now?: boolean;
  readonly json?: true;
}

const about = {
  all: `Checks the sheets, deploys all stacks by "cdk deploy --all", then ships the sheets.

What it does not know itself, such as --require-approval never, is handed to cdk.`,
  mappings: `Ships mappings/ and governance.yaml to a deployed bridge. No stack changes, no function is deployed.

They are checked and their examples run, here and then by the deployed bridge. They go out in stages, watched by alarms
that bring the last ones back; the first ones of all, and any with --now, at once. It ends when rollout and watch have.`,
};

const afterHelp = `
Exit codes: 0 in force · 1 the answer is no (a faulty sheet, a rollout taken back) · 2 the call was wrong ·
            3 it could not be done (no credentials, nothing deployed)

Region and credentials are found as the AWS CLI finds them: AWS_PROFILE, AWS_REGION and so on.`;

/**
 * The commands behind `npm run deploy` and `npm run deploy:mappings`.
 *
 * @param args without node and script
 * @param sleep how it waits between two looks, in ms
 * @returns the exit code
 */
export async function run(args: readonly string[], sleep: Sleep = delay): Promise<number> {
  let exitCode: number = exitCodes.done;
  const program = new Command("deploy").exitOverride();
  const command = (name: "all" | "mappings") =>
    program
      .command(name)
      .description(about[name])
      .option("-c, --context <key=value>", "CDK context over cdk.json's; may be repeated", contextOption, {})
      .option("--mappings <folder>", "the mapping sheets", "mappings")
      .option("--now", "ship the sheets all at once, with no alarm watching")
      .option("--json", "what came of it as JSON on standard output; progress goes to standard error")
      .addHelpText("after", afterHelp);
  command("all")
    .usage("[options] [cdk's options]")
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async (options: Options, { args: cdkArgs }: Command) => {
      exitCode = await deployAll(options, cdkArgs, sleep);
    });
  command("mappings").action(async (options: Options) => {
    exitCode = await deployMappings(options, sleep);
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.wrongCall;
    console.error(messageOf(error));
    if (error instanceof SheetsError || error instanceof RangeError) return exitCodes.no;
    return exitCodes.couldNot;
  }
}

async function deployAll(options: Options, cdkArgs: readonly string[], sleep: Sleep): Promise<number> {
  // Before minutes are spent on stacks.
  await buildSheetBundle(options.mappings);
  const context = Object.entries(options.context).flatMap(([key, value]) => ["--context", `${key}=${value}`]);
  const cdk = join(projectRoot, "node_modules", "aws-cdk", "bin", "cdk");
  const child = spawn(process.execPath, [cdk, "deploy", "--all", ...context, ...cdkArgs], {
    cwd: projectRoot,
    stdio: ["inherit", options.json ? process.stderr : "inherit", "inherit"],
  });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error("cdk deploy did not come to its end; the sheets were not shipped");
  return deployMappings(options, sleep);
}

async function deployMappings({ context, mappings, now = false, json }: Options, sleep: Sleep): Promise<number> {
  const settings = readSettings(contextOf(context));
  const tell = json ? console.error : console.log;
  // First with all connectors of the folder: most faults need no look at AWS.
  await buildSheetBundle(mappings);
  const places = await placesOf(settings);
  const { bytes, sheets, examples, warnings } = await buildSheetBundle(mappings, places.connectors);
  for (const warning of warnings) tell(`${warning} (a warning)`);
  tell(`${sheets} sheets, ${bytes.byteLength} bytes, ${examples} examples pass`);
  const client = new AppConfigClient({ ...awsOptions(settings), maxAttempts: 8 });
  const shipped = await deploySheets({ client, places, bytes, now, tell, sleep });
  if (json) console.log(JSON.stringify(shipped));
  else console.log(ending(shipped));
  return shipped.kind === "in-force" || shipped.kind === "unchanged" ? exitCodes.done : exitCodes.no;
}

function ending(shipped: DeploymentResult): string {
  switch (shipped.kind) {
    case "in-force":
      return "in force";
    case "unchanged":
      return `these sheets are in force already, as version ${shipped.version}`;
    case "refused":
      return `refused; what was in force stays:\n${shipped.reasons.join("\n")}`;
    case "busy":
      return `deployment ${shipped.deployment} is under way, at ${shipped.percent} %; wait for it, or end it by aws appconfig stop-deployment`;
    case "rolled-back":
      return `taken back at ${shipped.percent} % ${shipped.reason}; the sheets before are in force`;
  }
}

/** Reads the outputs of the mappings stack. @throws if there is none, with the remedy */
async function placesOf(settings: Settings): Promise<AppConfigTargets> {
  const ssm = new SSMClient(awsOptions(settings));
  const name = parameterOf(settings.name, "sheets");
  try {
    const { Parameter } = await ssm.send(new GetParameterCommand({ Name: name }));
    return readAppConfigTargets(Parameter?.Value ?? "");
  } catch (error) {
    if (!(error instanceof ParameterNotFound)) throw error;
    const region = await ssm.config.region();
    throw new Error(
      `${settings.name} is not deployed in ${region} (there is no parameter ${name}); run npm run deploy`,
    );
  }
}

function awsOptions({ fips }: Settings) {
  return fips ? { useFipsEndpoint: true } : {};
}

/** The SDK's own words for what is missing name neither the place nor the remedy. */
function messageOf(error: unknown): string {
  const { name, message } = error as Error;
  if (/region is missing/i.test(message)) {
    return "no AWS region: set AWS_REGION, or a region in the profile that AWS_PROFILE names";
  }
  if (name === "CredentialsProviderError" || name === "ExpiredTokenException") {
    return `no AWS credentials that work (${message.split("\n")[0]}): sign in, or set AWS_PROFILE`;
  }
  if (name === "AccessDeniedException") return `${message}; shipping sheets takes what docs/deploy.md lists`;
  return message;
}

const cdkJsonSchema = z.object({ context: z.record(z.string(), z.unknown()).default({}) });

/** CDK's context: what was said on the command line, else `cdk.json`. */
function contextOf(given: Readonly<Record<string, string>>): (key: string) => unknown {
  const file = join(projectRoot, "cdk.json");
  const { context } = cdkJsonSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  return (key) => given[key] ?? context[key];
}

function contextOption(text: string, before: Readonly<Record<string, string>>): Record<string, string> {
  const [key = "", ...rest] = text.split("=");
  if (rest.length === 0) throw new CommanderError(exitCodes.wrongCall, "context", `--context ${text} is no key=value`);
  return { ...before, [key]: rest.join("=") };
}

if (import.meta.main) process.exitCode = await run(process.argv.slice(2));
