import * as z from "zod";
import type { Engine } from "../bridge/engine.ts";
import { previewBackfill, targetsOf } from "../bridge/jobs/backfill.ts";
import { previewBulk } from "../bridge/jobs/bulk-operation.ts";
import { cancelJob, type JobPlan, startJob } from "../bridge/jobs/job-runner.ts";
import { previewReplay } from "../bridge/jobs/replay.ts";
import type { BulkRequest, JobWork, ReplayRequest } from "../bridge/model/job.ts";
import { FileError } from "../bridge/ports/files.ts";
import { connectorNamed } from "./connectors.ts";
import { endpoint } from "./endpoint.ts";
import { ProblemError } from "./problem.ts";
import {
  job,
  jobId,
  limit,
  name,
  packetFilter,
  packetSummary,
  perSecond,
  reason,
  timeIn,
  whichSheet,
} from "./schemas.ts";
import { jobOf, summaryOf } from "./serialize.ts";

/** A preview ends here: who asks over HTTP does not wait longer. ms */
const maxPreviewMs = 20_000;

const dryRun = z.boolean().default(false).describe("Only say what it would come to.");
const started = z.object({ kind: z.literal("job"), job });
const params = z.strictObject({ id: jobId });

const listJobs = endpoint({
  method: "get",
  path: "/api/jobs",
  id: "listJobs",
  summary: "Replays, back-fills and bulk acts, newest first",
  query: z.strictObject({ running: z.enum(["true", "false"]).default("false"), limit }),
  answer: z.object({ items: z.array(job) }),
  async run({ ops: { engine }, query: { running, limit } }) {
    const found = await engine.store.jobs({ running: running === "true", limit });
    return { items: found.map(({ value }) => jobOf(value)) };
  },
});

const getJob = endpoint({
  method: "get",
  path: "/api/jobs/{id}",
  id: "getJob",
  summary: "One job, and how far it is",
  params,
  answer: job,
  problems: ["missing"],
  async run({ ops: { engine }, params: { id } }) {
    const [stored] = await engine.store.read("job", [id]);
    return stored ? jobOf(stored.value) : noJob();
  },
});

const cancel = endpoint({
  method: "post",
  path: "/api/jobs/{id}/cancel",
  id: "cancelJob",
  summary: "Ends a job where it is; what it has made stays",
  params,
  answer: job,
  problems: ["missing"],
  async run({ ops: { engine }, params: { id }, actor }) {
    const cancelled = await cancelJob(engine, id, actor);
    return cancelled ? jobOf(cancelled) : noJob();
  },
});

export const replayAnswer = z.discriminatedUnion("kind", [
  started,
  z.object({
    kind: z.literal("trial"),
    looked: z.int(),
    sent: z.int(),
    unchanged: z.int(),
    superseded: z.int(),
    held: z.int(),
  }),
]);

const startReplay = endpoint({
  method: "post",
  path: "/api/replays",
  id: "startReplay",
  summary: "Sends the packets of a past time window again",
  body: z.strictObject({
    from: timeIn,
    to: timeIn.optional().describe("If not said: now."),
    connector: name.optional(),
    sheet: whichSheet,
    force: z.boolean().default(false),
    perSecond,
    dryRun,
  }),
  answer: replayAnswer,
  problems: ["missing", "unavailable"],
  async run({ ops: { engine }, body, actor }) {
    const { from, to = engine.clock.now() + 1, sheet, force, perSecond, dryRun } = body;
    const connector = body.connector === undefined ? undefined : connectorNamed(engine, body.connector);
    if (connector instanceof ProblemError) return connector;
    const request: ReplayRequest = {
      from,
      to,
      sheet,
      ...(connector !== undefined && { connector }),
      ...(force && { force }),
    };
    if (!dryRun) return start(engine, { kind: "replay", request }, actor, perSecond);
    return preview(engine, async (onPage) => ({
      kind: "trial" as const,
      ...(await previewReplay(engine, request, onPage)),
    }));
  },
});

export const backfillAnswer = z.discriminatedUnion("kind", [
  started,
  z.object({
    kind: z.literal("trial"),
    looked: z.int(),
    malformed: z.object({ lines: z.int(), first: z.array(z.string()) }),
    targets: z.record(
      z.string(),
      z.object({ made: z.int(), held: z.int(), there: z.int(), samples: z.array(packetSummary) }),
    ),
  }),
]);

const startBackfill = endpoint({
  method: "post",
  path: "/api/backfills",
  id: "startBackfill",
  summary: "Takes old data through today's sheets to chosen targets",
  body: z.strictObject({
    targets: z.array(name).max(100).default([]).describe("sheet.target"),
    connector: name.optional().describe("Or every target that goes to this connector."),
    from: z.union([
      z.strictObject({ since: timeIn, until: timeIn.optional() }).describe("Recorded events, by time of acceptance."),
      z.strictObject({ file: z.string().min(1).max(1_024), asOf: z.iso.datetime({ offset: true }).optional() }),
    ]),
    perSecond,
    dryRun,
  }),
  answer: backfillAnswer,
  problems: ["missing", "refused", "unavailable"],
  async run({ ops: { engine }, body, actor }) {
    const connector = body.connector === undefined ? undefined : connectorNamed(engine, body.connector);
    if (connector instanceof ProblemError) return connector;
    const request = await backfillRequest(engine, body, connector);
    if (request instanceof ProblemError) return request;
    if (!body.dryRun) return start(engine, { kind: "backfill", request }, actor, body.perSecond);
    return preview(engine, async (onPage) => {
      const { looked, malformed, targets } = await previewBackfill(engine, request, onPage);
      const told = Object.entries(targets).map(([target, { samples, ...counts }]) => [
        target,
        { ...counts, samples: samples.map(summaryOf) },
      ]);
      return {
        kind: "trial" as const,
        looked,
        malformed: { lines: malformed.lines, first: [...malformed.first] },
        targets: Object.fromEntries(told),
      };
    });
  },
});

export const bulkAnswer = z.discriminatedUnion("kind", [
  started,
  z.object({
    kind: z.literal("trial"),
    looked: z.int(),
    made: z.int().describe("Packets it would be done to."),
    held: z.int().describe("Of these, those that would be held again."),
    refused: z.record(z.string(), z.int()).describe("Packets that would stay as they are, by why."),
    samples: z.array(z.object({ packet: packetSummary, fate: z.string() })),
  }),
]);

const startBulk = endpoint({
  method: "post",
  path: "/api/bulk",
  id: "startBulk",
  summary: "Does the same to all held packets that fit a filter: lets them go again, or discards them",
  body: z.strictObject({
    act: z.enum(["release", "discard"]),
    filter: z.strictObject(packetFilter).default({}),
    sheet: whichSheet,
    reason,
    perSecond,
    dryRun,
  }),
  answer: bulkAnswer,
  problems: ["missing", "unavailable"],
  async run({ ops: { engine }, body, actor }) {
    const { act, filter, sheet, reason, perSecond, dryRun } = body;
    const connector = filter.connector === undefined ? undefined : connectorNamed(engine, filter.connector);
    if (connector instanceof ProblemError) return connector;
    const request: BulkRequest = { act, sheet, reason, filter: { ...filter, connector } };
    if (!dryRun) return start(engine, { kind: "bulk", request }, actor, perSecond);
    return preview(engine, async (onPage) => {
      const trial = await previewBulk(engine, request, onPage);
      const samples = trial.samples.map(({ packet, fate }) => ({ packet: summaryOf(packet), fate }));
      return { kind: "trial" as const, ...trial, refused: { ...trial.refused }, samples };
    });
  },
});

export const jobOperations = [listJobs, getJob, cancel, startReplay, startBackfill, startBulk];

function noJob(): ProblemError {
  return new ProblemError("missing", "There is no job with this id; the list of jobs has those there are.");
}

async function start(engine: Engine, work: JobWork, actor: string, perSecond: number | undefined) {
  const plan: JobPlan = { ...work, actor, ...(perSecond !== undefined && { perSecond }) };
  return { kind: "job" as const, job: jobOf(await startJob(engine, plan)) };
}

class PreviewTimeoutError extends Error {}

/** A preview goes through all that there is; deliveries go on in between, and after a while it gives up. */
async function preview<T>(
  engine: Engine,
  look: (onPage: () => Promise<void>) => Promise<T>,
): Promise<T | ProblemError> {
  const until = engine.clock.now() + maxPreviewMs;
  try {
    return await look(async () => {
      if (engine.clock.now() > until) throw new PreviewTimeoutError();
      await engine.clock.sleep(0);
    });
  } catch (error) {
    if (!(error instanceof PreviewTimeoutError)) throw error;
    return new ProblemError("unavailable", "There is too much to look through at one go; choose a shorter time.");
  }
}

interface BackfillBody {
  readonly targets: readonly string[];
  readonly from:
    | { readonly since: number; readonly until?: number | undefined }
    | { readonly file: string; readonly asOf?: string | undefined };
}

async function backfillRequest(engine: Engine, { targets: names, from }: BackfillBody, connector: string | undefined) {
  let targets: string[];
  try {
    targets = targetsOf(engine, { targets: names, ...(connector !== undefined && { connector }) });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return new ProblemError("refused", "No sheet has such a target; the list of sheets names those there are.");
  }
  if ("since" in from) {
    const { since, until = engine.clock.now() + 1 } = from;
    return { targets, from: { kind: "events" as const, since, until } };
  }
  try {
    const file = await engine.files.find(from.file);
    return { targets, from: { kind: "file" as const, file, ...(from.asOf !== undefined && { asOf: from.asOf }) } };
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    return new ProblemError("refused", "The file cannot be read; it must lie in a place the bridge may read from.");
  }
}
