import type { Command } from "commander";
import * as z from "zod";
import { job as jobSchema } from "../ops/schemas.ts";
import { ApiError, type OpsClient, type OpsOptions, opsCommand, pathOf, withOps } from "./api-client.ts";
import { count, type End, exitCodes, printJson, progress, table } from "./output.ts";

interface JobsOptions extends OpsOptions {
  readonly cancel?: string;
  readonly limit: number;
}

type Job = z.output<typeof jobSchema>;

/** How often a job that is waited for is looked at. */
const lookMs = 200;

/** `bridge jobs`: replays and other long work, how far they are, and an end to one of them. */
export function jobs(end: End): Command {
  return opsCommand("jobs", "list replays and other long work, the newest first")
    .option("--cancel <job>", "end a job where it is; what it has sent stays sent")
    .option("--limit <count>", "at most so many", count, 20)
    .addHelpText("after", "\nA job goes on where it stopped, as soon as a process works on the store.")
    .action(async (options: JobsOptions) => {
      await withOps(options, { work: false, sheets: "if good" }, async (client) => {
        if (options.cancel !== undefined) return cancelled(client, options.cancel, options, end);
        const { items } = await client.get(
          pathOf("/api/jobs", { limit: Math.min(200, options.limit) }),
          z.object({ items: z.array(jobSchema) }),
        );
        if (options.json) return printJson(items);
        if (items.length === 0) return console.log('no jobs yet; "bridge replay" and "bridge backfill" make them');
        console.log(table(["JOB", "WHAT", "STATUS", "LOOKED AT", "MADE", "BEGUN", "BY"], items.map(cells)));
      });
    });
}

async function cancelled(client: OpsClient, id: string, { json }: JobsOptions, end: End): Promise<void> {
  const job = await client.post(`/api/jobs/${encodeURIComponent(id)}/cancel`, {}, jobSchema).catch((error: unknown) => {
    if (error instanceof ApiError && error.exitCode !== exitCodes.couldNot) return undefined;
    throw error;
  });
  if (job?.status !== "CANCELLED") end(exitCodes.no);
  if (json) return printJson(job ?? null);
  console.log(job ? `${job.id} is ${job.status}` : `there is no ${id}; see "bridge jobs"`);
}

/** Waits for a job's end, and tells how far it is. */
export async function jobOver(client: OpsClient, id: string): Promise<Job> {
  const tell = progress(({ looked, made }: Job) => `${looked} looked at, ${made} done`);
  for (;;) {
    const job = await client.get(`/api/jobs/${id}`, jobSchema);
    tell(job);
    if (job.status !== "RUNNING") return job;
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

function cells({ id, kind, status, looked, made, startedAt, actor, reason }: Job): string[] {
  const begun = startedAt.slice(0, 19).replace("T", " ");
  return [id, kind, reason ? `${status} (${reason})` : status, String(looked), String(made), begun, actor];
}
