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

/** Exit codes, the same as those of the `bridge` command line. */
const exitCodes = { ok: 0, rejected: 1, usage: 2, failed: 3 } as const;

type Sleep = (ms: number) => Promise<void>;

interface Options {
  readonly context: Readonly<Record<string, string>>;
  readonly mappings: string;
  readonly now?: boolean;
  readonly json?: true;
}

const descriptions = {
  all: `Checks the sheets, deploys all stacks with "cdk deploy --all", then deploys the sheets.

Unknown options, such as --require-approval never, are passed to cdk.`,
  mappings: `Deploys mappings/ and governance.yaml to a deployed bridge. Stacks and functions do not change.

Checks the sheets and runs their examples, first here and then in the deployed bridge. Rolls them out in stages; an
alarm during the rollout restores the previous sheets. The first deployment, and any with --now, happens at once.
The command returns when the rollout and the monitoring after it have ended.`,
};

const afterHelp = `
Exit codes: 0 sheets in force · 1 rejected (an invalid sheet, a rollout that was rolled back) · 2 invalid arguments ·
            3 failed (no credentials, bridge not deployed)

Region and credentials are resolved from the usual AWS environment variables and profiles.`;

/**
 * Runs the command behind `npm run deploy` and `npm run deploy:mappings`.
 *
 * @param args arguments without node and script
 * @param sleep waits between polls, for the given number of ms
 * @returns the exit code
 */
export async function run(args: readonly string[], sleep: Sleep = delay): Promise<number> {
  let exitCode: number = exitCodes.ok;
  const program = new Command("deploy").exitOverride();
  const command = (name: "all" | "mappings") =>
    program
      .command(name)
      .description(descriptions[name])
      .option("-c, --context <key=value>", "CDK context, overrides cdk.json; may be repeated", contextOption, {})
      .option("--mappings <folder>", "folder of the mapping sheets", "mappings")
      .option("--now", "deploy the sheets at once, without stages or rollback by alarms")
      .option("--json", "print the result as JSON to standard output; progress goes to standard error")
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
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    console.error(messageOf(error));
    if (error instanceof SheetsError || error instanceof RangeError) return exitCodes.rejected;
    return exitCodes.failed;
  }
}

async function deployAll(options: Options, cdkArgs: readonly string[], sleep: Sleep): Promise<number> {
  // Checks the sheets before deploying the stacks, which takes minutes.
  await buildSheetBundle(options.mappings);
  const context = Object.entries(options.context).flatMap(([key, value]) => ["--context", `${key}=${value}`]);
  const cdk = join(projectRoot, "node_modules", "aws-cdk", "bin", "cdk");
  const child = spawn(process.execPath, [cdk, "deploy", "--all", ...context, ...cdkArgs], {
    cwd: projectRoot,
    stdio: ["inherit", options.json ? process.stderr : "inherit", "inherit"],
  });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error("cdk deploy failed; the sheets were not deployed");
  return deployMappings(options, sleep);
}

async function deployMappings({ context, mappings, now = false, json }: Options, sleep: Sleep): Promise<number> {
  const settings = readSettings(contextOf(context));
  const log = json ? console.error : console.log;
  // Checks first against all connectors in the folder, which finds most issues without calling AWS.
  await buildSheetBundle(mappings);
  const targets = await targetsOf(settings);
  const { bytes, sheets, examples, warnings } = await buildSheetBundle(mappings, targets.connectors);
  for (const warning of warnings) log(`warning: ${warning}`);
  log(`${plural(sheets, "sheet")}, ${bytes.byteLength} bytes, ${plural(examples, "example")} passed`);
  const client = new AppConfigClient({ ...awsOptions(settings), maxAttempts: 8 });
  const result = await deploySheets({ client, targets, bytes, now, log, sleep });
  if (json) console.log(JSON.stringify(result));
  else console.log(resultText(result));
  return result.kind === "in-force" || result.kind === "unchanged" ? exitCodes.ok : exitCodes.rejected;
}

function plural(quantity: number, noun: string): string {
  return `${quantity} ${noun}${quantity === 1 ? "" : "s"}`;
}

function resultText(result: DeploymentResult): string {
  switch (result.kind) {
    case "in-force":
      return `the sheets are now in force, as version ${result.version}`;
    case "unchanged":
      return `these sheets are already in force, as version ${result.version}`;
    case "refused":
      return `rejected; the previous sheets stay in force:\n${result.reasons.join("\n")}`;
    case "busy":
      return `deployment ${result.deployment} is in progress, at ${result.percent} %; wait for it, or stop it with aws appconfig stop-deployment`;
    case "rolled-back":
      return `rolled back at ${result.percent} % ${result.reason}; the previous sheets are in force`;
  }
}

/** Reads the AppConfig ids that the mappings stack stores in Parameter Store. @throws {Error} if it is not deployed */
async function targetsOf(settings: Settings): Promise<AppConfigTargets> {
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

/** Returns an error's message, with the fix for missing settings and permissions, which the SDK's message lacks. */
function messageOf(error: unknown): string {
  const { name, message } = error as Error;
  if (/region is missing/i.test(message)) {
    return "no AWS region: set AWS_REGION, or a region in the profile that AWS_PROFILE names";
  }
  if (name === "CredentialsProviderError" || name === "ExpiredTokenException") {
    return `no valid AWS credentials (${message.split("\n")[0]}): sign in, or set AWS_PROFILE`;
  }
  if (name === "AccessDeniedException")
    return `${message}; see docs/deploy.md for the permissions that deploying sheets needs`;
  return message;
}

const cdkJsonSchema = z.object({ context: z.record(z.string(), z.unknown()).default({}) });

/** Returns a lookup in CDK's context. Values of the command line override those of `cdk.json`. */
function contextOf(given: Readonly<Record<string, string>>): (key: string) => unknown {
  const file = join(projectRoot, "cdk.json");
  const { context } = cdkJsonSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  return (key) => given[key] ?? context[key];
}

function contextOption(text: string, previous: Readonly<Record<string, string>>): Record<string, string> {
  const [key = "", ...rest] = text.split("=");
  if (rest.length === 0) throw new CommanderError(exitCodes.usage, "context", `--context ${text} is not key=value`);
  return { ...previous, [key]: rest.join("=") };
}

if (import.meta.main) process.exitCode = await run(process.argv.slice(2));
