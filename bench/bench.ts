import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { ChildError } from "./child.ts";
import { compareTrees } from "./compare.ts";
import { type MeasureRun, measureInProcesses } from "./measured-process.ts";
import { type CompareCommand, helpText, type MeasureCommand, parseOptions } from "./options.ts";
import { checkOut, resolveCommit } from "./other-tree.ts";
import { scenarios } from "./scenarios.ts";
import { startTargets } from "./target-process.ts";
import { measureToday } from "./today.ts";
import { openWorkspace, type Workspace } from "./workspace.ts";

// Entry point of `npm run bench`, which measures this tree or compares it with another commit.

const exitCodes = { done: 0, failed: 1, wrongCall: 2 } as const;

const root = join(import.meta.dirname, "..");

async function main(args: readonly string[]): Promise<number> {
  const names = scenarios.map(({ name }) => name);
  const command = parseOptions(args, names);
  switch (command.kind) {
    case "help":
      console.log(helpText(scenarios));
      return exitCodes.done;
    case "invalid":
      console.error(`bench: ${command.message}`);
      return exitCodes.wrongCall;
    default:
      return run(command);
  }
}

/** Runs a command after checking its folder and its commit. Returns the exit code. */
async function run(command: MeasureCommand | CompareCommand): Promise<number> {
  if (command.json !== undefined && !existsSync(dirname(command.json))) {
    console.error(`bench: --json: the folder ${dirname(command.json)} does not exist`);
    return exitCodes.wrongCall;
  }
  return command.kind === "compare" ? compare(command) : withTargets((measure) => measureToday(root, command, measure));
}

async function compare(command: CompareCommand): Promise<number> {
  const otherCommit = resolveCommit(root, command.against);
  if (otherCommit === undefined) {
    console.error(`bench: --against: "${command.against}" is not a commit in this repository. See: git log --oneline`);
    return exitCodes.wrongCall;
  }
  return withTargets(async (measure, workspace) => {
    const otherTree = await checkOut(root, otherCommit, workspace);
    await compareTrees({ root, otherTree, otherCommit }, command, measure);
  });
}

/** Runs `work` with one target process and one workspace, and cleans both up. Returns the exit code. */
async function withTargets(work: (measure: MeasureRun, workspace: Workspace) => Promise<void>): Promise<number> {
  using workspace = openWorkspace();
  using targetProcess = await startTargets();
  try {
    await work(measureInProcesses(targetProcess.targets, workspace), workspace);
    return exitCodes.done;
  } catch (error) {
    if (!(error instanceof ChildError)) throw error;
    console.error(`bench: ${error.message}`);
    return exitCodes.failed;
  }
}

process.exitCode = await main(process.argv.slice(2));
