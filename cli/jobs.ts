import { userInfo } from "node:os";
import type { Command } from "commander";
import { cancelJob } from "../bridge/jobs.ts";
import type { Job } from "../bridge/records.ts";
import { type StoreOptions, storeCommand, withBridge } from "./open.ts";
import { count, type End, exitCodes, printJson, table } from "./output.ts";

interface JobsOptions extends StoreOptions {
  readonly cancel?: string;
  readonly limit: number;
}

/** `bridge jobs`: replays and other long work, how far they are, and an end to one of them. */
export function jobs(end: End): Command {
  return storeCommand("jobs", "list replays and other long work, the newest first")
    .option("--cancel <job>", "end a job where it is; what it has sent stays sent")
    .option("--limit <count>", "at most so many", count, 20)
    .addHelpText("after", "\nA job goes on where it stopped, as soon as a process works on the store.")
    .action(async (options: JobsOptions) => {
      await withBridge(options, { work: false }, async (bridge) => {
        const engine = await bridge.engine();
        if (options.cancel !== undefined) {
          const job = await cancelJob(engine, options.cancel, userInfo().username);
          if (job?.status !== "CANCELLED") end(exitCodes.no);
          if (options.json) return printJson(job ?? null);
          return console.log(job ? `${job.id} is ${job.status}` : `there is no ${options.cancel}; see "bridge jobs"`);
        }
        const found = (await engine.store.jobs({ limit: options.limit })).map(({ value }) => value);
        if (options.json) return printJson(found);
        if (found.length === 0) return console.log('no jobs yet; "bridge replay" and "bridge backfill" make them');
        console.log(table(["JOB", "WHAT", "STATUS", "LOOKED AT", "MADE", "BEGUN", "BY"], found.map(cells)));
      });
    });
}

function cells({ id, kind, status, looked, made, startedAt, actor, reason }: Job): string[] {
  const begun = new Date(startedAt).toISOString().slice(0, 19).replace("T", " ");
  return [id, kind, reason ? `${status} (${reason})` : status, String(looked), String(made), begun, actor];
}
