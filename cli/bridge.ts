import { Command, CommanderError } from "commander";
import packageJson from "../package.json" with { type: "json" };
import { SheetsError } from "../platform/local/sheet-watcher.ts";
import { ApiError } from "./api-client.ts";
import { backfill } from "./backfill.ts";
import { connectors } from "./connectors.ts";
import { dashboard } from "./console.ts";
import { edit } from "./edit.ts";
import { emit } from "./emit.ts";
import { explain } from "./explain.ts";
import { jobs } from "./jobs.ts";
import { ledger } from "./ledger.ts";
import { outbox } from "./outbox.ts";
import { exitCodes, isInvalidRequest } from "./output.ts";
import { probe } from "./probe.ts";
import { redrive } from "./redrive.ts";
import { discard, release } from "./release-discard.ts";
import { replay } from "./replay.ts";
import { sequence } from "./sequence.ts";
import { serve } from "./serve.ts";
import { shadow } from "./shadow.ts";
import { sheets } from "./sheets.ts";

const about = `Keeps the systems outside HMS in sync with changes inside it.

By default the store is in .bridge/ and the mapping sheets are in mappings/. \
One process works on a store at a time (bridge serve); other commands can run next to it.`;

const afterHelp = `
Exit codes: 0 success · 1 negative result (an invalid sheet, a broken ledger, a held packet, a target that is down) ·
            2 invalid arguments · 3 the command failed

Try: bridge sheets check
     bridge sheets try mappings/per_diem.yaml --event '{"type":"policy.per_diem.updated","data":{"new_rate":68}}'`;

/**
 * Runs one command of the `bridge` command line.
 *
 * @param args the arguments after `node` and the script
 * @returns the exit code
 */
export async function run(args: readonly string[]): Promise<number> {
  let exitCode: number = exitCodes.done;
  const program = new Command("bridge")
    .description(about)
    .version(packageJson.version, "--version")
    .addHelpText("after", afterHelp)
    .exitOverride()
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true });
  const setExitCode = (code: number) => {
    exitCode = code;
  };
  for (const verb of [
    serve,
    emit,
    outbox,
    explain,
    replay,
    backfill,
    jobs,
    shadow,
    sequence,
    sheets,
    connectors,
    probe,
    edit,
    release,
    discard,
    redrive,
    ledger,
    dashboard,
  ]) {
    program.addCommand(withSettingsOf(verb(setExitCode), program));
  }
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.wrongCall;
    if (error instanceof ApiError) {
      console.error(`bridge: ${error.message}`);
      return error.exitCode;
    }
    if (error instanceof SheetsError) {
      console.error(error.message);
      return exitCodes.no;
    }
    console.error(`bridge: ${messageOf(error as NodeJS.ErrnoException)}`);
    return isInvalidRequest(error) ? exitCodes.wrongCall : exitCodes.couldNot;
  }
}

/** Returns an error's message. Common errors of Node.js and the AWS SDK get a message that says what to do. */
function messageOf({ name, code, path, message }: NodeJS.ErrnoException): string {
  if (code === "ENOENT" && path !== undefined) return `${path} does not exist; check the path`;
  if (code === "EEXIST" && path !== undefined) return `${path} already exists; choose another name`;
  if (message === "Region is missing") return "no AWS region is set; set AWS_REGION or a region in your AWS profile";
  if (name === "CredentialsProviderError") return "no AWS credentials were found; log in to AWS or set AWS_PROFILE";
  return message;
}

/** Copies the program's settings to a command and its subcommands, so all of them handle invalid arguments alike. */
function withSettingsOf(command: Command, program: Command): Command {
  for (const subcommand of command.commands) withSettingsOf(subcommand, program);
  return command.exitOverride().copyInheritedSettings(program);
}
