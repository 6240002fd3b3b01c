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
import { exitCodes } from "./output.ts";
import { probe } from "./probe.ts";
import { redrive } from "./redrive.ts";
import { discard, release } from "./release-discard.ts";
import { replay } from "./replay.ts";
import { serve } from "./serve.ts";
import { shadow } from "./shadow.ts";
import { sheets } from "./sheets.ts";

const about = `Keeps the systems outside HMS in step with what changes inside it.

The store is .bridge/ and the sheets are mappings/, unless told otherwise. \
One process works on a store at a time (bridge serve); the other commands may be used beside it.`;

const afterHelp = `
Exit codes: 0 done · 1 the answer is no (a faulty sheet, a broken ledger, a held packet, a target asleep) ·
            2 the call was wrong · 3 the bridge could not do it

Try: bridge sheets check
     bridge sheets try mappings/per_diem.yaml --event '{"type":"policy.per_diem.updated","data":{"new_rate":68}}'`;

/**
 * The command line.
 *
 * @param args without node and script
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
  const end = (code: number) => {
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
    program.addCommand(inheriting(verb(end), program));
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
    console.error(`bridge: ${toldOf(error as NodeJS.ErrnoException)}`);
    return error instanceof TypeError || error instanceof RangeError ? exitCodes.wrongCall : exitCodes.couldNot;
  }
}

/** What the system and the AWS SDK say in words of their own, in ours. */
function toldOf({ name, code, path, message }: NodeJS.ErrnoException): string {
  if (code === "ENOENT" && path !== undefined) return `there is no ${path} here`;
  if (code === "EEXIST" && path !== undefined) return `${path} is there already; name another`;
  if (message === "Region is missing") return "no AWS region is set; set AWS_REGION, or give your profile one";
  if (name === "CredentialsProviderError") return "no AWS credentials are found; log in, or set AWS_PROFILE";
  return message;
}

/** A verb and those below it, so that a wrong call of any of them ends the same way. */
function inheriting(command: Command, program: Command): Command {
  for (const below of command.commands) inheriting(below, program);
  return command.exitOverride().copyInheritedSettings(program);
}
