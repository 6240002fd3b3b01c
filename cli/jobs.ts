import type { Command } from "commander";
import * as z from "zod";
import { job as jobSchema } from "../ops/schemas.ts";
import { ApiError, type OpsClient, type OpsOptions, opsCommand, pathOf, withOps } from "./api-client.ts";
import { count, exitCodes, printJson, progress, type SetExitCode, table } from "./output.ts";

interface JobsOptions extends OpsOptions {
  readonly cancel?: string;
  readonly limit: number;
}

type Job = z.output<typeof jobSchema>;

/** Polling interval while waiting for a job. */
const pollMs = 200;

/** `bridge jobs`: lists replays, backfills and bulk operations with their progress, and cancels them. */
export function jobs(setExitCode: SetExitCode): Command {
  return opsCommand("jobs", "list replays, backfills and bulk operations, newest first")
    .option("--cancel <job>", "cancel a job; packets it has already created remain")
    .option("--limit <count>", "list at most this many jobs", count, 20)
    .addHelpText("after", "\nAn interrupted job continues from its last checkpoint once a process works on the store.")
    .action(async (options: JobsOptions) => {
      await withOps(options, { work: false, sheets: "if good" }, async (client) => {
        if (options.cancel !== undefined) return cancelJob(client, options.cancel, options, setExitCode);
        const { items } = await client.get(
          pathOf("/api/jobs", { limit: Math.min(200, options.limit) }),
          z.object({ items: z.array(jobSchema) }),
        );
        if (options.json) return printJson(items);
        if (items.length === 0) return console.log('no jobs yet; "bridge replay" and "bridge backfill" start them');
        console.log(table(["JOB", "KIND", "STATUS", "SCANNED", "CREATED", "STARTED", "BY"], items.map(cells)));
      });
    });
}

async function cancelJob(
  client: OpsClient,
  id: string,
  { json }: JobsOptions,
  setExitCode: SetExitCode,
): Promise<void> {
  const job = await client.post(`/api/jobs/${encodeURIComponent(id)}/cancel`, {}, jobSchema).catch((error: unknown) => {
    if (error instanceof ApiError && error.exitCode !== exitCodes.couldNot) return undefined;
    throw error;
  });
  if (job?.status !== "CANCELLED") setExitCode(exitCodes.no);
  if (json) return printJson(job ?? null);
  console.log(job ? `${job.id} is ${job.status}` : `there is no job ${id}; "bridge jobs" lists all jobs`);
}

/** Waits until a job has ended, showing its progress. */
export async function waitForJob(client: OpsClient, id: string): Promise<Job> {
  const showProgress = progress(({ looked, made }: Job) => `${looked} scanned, ${made} done`);
  for (;;) {
    const job = await client.get(`/api/jobs/${id}`, jobSchema);
    showProgress(job);
    if (job.status !== "RUNNING") return job;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

function cells({ id, kind, status, looked, made, startedAt, actor, reason }: Job): string[] {
  const started = startedAt.slice(0, 19).replace("T", " ");
  return [id, kind, reason ? `${status} (${reason})` : status, String(looked), String(made), started, actor];
}
