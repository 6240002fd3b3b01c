import * as z from "zod";
import type { Engine } from "../bridge/engine.ts";
import { previewBackfill, targetsOf } from "../bridge/jobs/backfill.ts";
import { previewBulk } from "../bridge/jobs/bulk-operation.ts";
import { cancelJob, type JobPlan, startJob } from "../bridge/jobs/job-runner.ts";
import { previewReplay } from "../bridge/jobs/replay.ts";
import type { BulkRequest, JobWork, ReplayRequest } from "../bridge/model/job.ts";
import { FileError } from "../bridge/ports/files.ts";
import { BridgeError, InvalidRequestError } from "../bridge/values/bridge-error.ts";
import { findConnectorId, findPacketsConnector } from "./connectors.ts";
import { endpoint } from "./endpoint.ts";
import { ApiProblem } from "./problem.ts";
import {
  job,
  jobId,
  limit,
  name,
  packetFilter,
  packetSummary,
  perSecond,
  reason,
  sheetChoice,
  timeIn,
} from "./schemas.ts";
import { jobOf, summaryOf } from "./serialize.ts";

/** Time limit of a preview in milliseconds, because HTTP clients do not wait longer. */
const maxPreviewMs = 20_000;

const dryRun = z.boolean().default(false).describe("True to return a preview and change nothing.");
const started = z.object({ kind: z.literal("job"), job });
const params = z.strictObject({ id: jobId });

const listJobs = endpoint({
  method: "get",
  path: "/api/jobs",
  id: "listJobs",
  summary: "Lists replays, backfills and bulk operations, newest first",
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
  summary: "Gets one job with its progress",
  params,
  answer: job,
  problems: ["missing"],
  async run({ ops: { engine }, params: { id } }) {
    const [stored] = await engine.store.read("job", [id]);
    return stored ? jobOf(stored.value) : jobMissing();
  },
});

const cancel = endpoint({
  method: "post",
  path: "/api/jobs/{id}/cancel",
  id: "cancelJob",
  summary: "Cancels a job. Packets it has already created remain",
  params,
  answer: job,
  problems: ["missing"],
  async run({ ops: { engine }, params: { id }, actor }) {
    const cancelled = await cancelJob(engine, id, actor);
    return cancelled ? jobOf(cancelled) : jobMissing();
  },
});

export const replayAnswer = z.discriminatedUnion("kind", [
  started,
  z.object({
    kind: z.literal("trial"),
    looked: z.int().describe("Packets in the time window."),
    sent: z.int().describe("Packets that would be sent."),
    unchanged: z.int().describe("Packets whose values the target already holds."),
    superseded: z.int().describe("Packets for which the target holds newer values."),
    held: z.int().describe("Packets that the current sheet or policy would hold."),
  }),
]);

const startReplay = endpoint({
  method: "post",
  path: "/api/replays",
  id: "startReplay",
  summary: "Replays the packets of a past time window",
  body: z.strictObject({
    from: timeIn,
    to: timeIn.optional().describe("Default: now."),
    connector: name.optional(),
    sheet: sheetChoice,
    force: z.boolean().default(false),
    perSecond,
    dryRun,
  }),
  answer: replayAnswer,
  problems: ["missing", "unavailable"],
  async run({ ops: { engine }, body, actor }) {
    const { from, to = engine.clock.now() + 1, sheet, force, perSecond, dryRun } = body;
    const connector = body.connector === undefined ? undefined : findConnectorId(engine, body.connector);
    if (connector instanceof ApiProblem) return connector;
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
    looked: z.int().describe("Events or lines scanned."),
    malformed: z.object({ lines: z.int(), first: z.array(z.string()) }).describe("Lines that are not events."),
    targets: z
      .record(
        z.string(),
        z.object({
          made: z.int().describe("Packets that would be created."),
          held: z.int().describe("Those of `made` that would be held."),
          there: z.int().describe("Packets that already exist."),
          samples: z.array(packetSummary),
        }),
      )
      .describe("Packets by target."),
  }),
]);

const startBackfill = endpoint({
  method: "post",
  path: "/api/backfills",
  id: "startBackfill",
  summary: "Sends old data through the current sheets to chosen targets",
  body: z.strictObject({
    targets: z.array(name).max(100).default([]).describe("The targets, each as `sheet.target`."),
    connector: name.optional().describe("Adds every target that uses this connector."),
    from: z.union([
      z.strictObject({ since: timeIn, until: timeIn.optional() }).describe("Recorded events, by acceptance time."),
      z.strictObject({ file: z.string().min(1).max(1_024), asOf: z.iso.datetime({ offset: true }).optional() }),
    ]),
    perSecond,
    dryRun,
  }),
  answer: backfillAnswer,
  problems: ["missing", "refused", "unavailable"],
  async run({ ops: { engine }, body, actor }) {
    const connector = body.connector === undefined ? undefined : findConnectorId(engine, body.connector);
    if (connector instanceof ApiProblem) return connector;
    const request = await backfillRequest(engine, body, connector);
    if (request instanceof ApiProblem) return request;
    if (!body.dryRun) return start(engine, { kind: "backfill", request }, actor, body.perSecond);
    return preview(engine, async (onPage) => {
      const { looked, malformed, targets } = await previewBackfill(engine, request, onPage);
      const previews = Object.entries(targets).map(([target, { samples, ...counts }]) => [
        target,
        { ...counts, samples: samples.map(summaryOf) },
      ]);
      return {
        kind: "trial" as const,
        looked,
        malformed: { lines: malformed.lines, first: [...malformed.first] },
        targets: Object.fromEntries(previews),
      };
    });
  },
});

export const bulkAnswer = z.discriminatedUnion("kind", [
  started,
  z.object({
    kind: z.literal("trial"),
    looked: z.int().describe("Held packets that match the filter."),
    made: z.int().describe("Packets that would be released or discarded."),
    held: z.int().describe("Those of `made` that would be held again."),
    refused: z.record(z.string(), z.int()).describe("Packets that would not change, by reason."),
    samples: z
      .array(z.object({ packet: packetSummary, fate: z.string() }))
      .describe("The first packets, each with its result."),
  }),
]);

const startBulk = endpoint({
  method: "post",
  path: "/api/bulk",
  id: "startBulk",
  summary: "Releases or discards all held packets that match a filter",
  body: z.strictObject({
    act: z.enum(["release", "discard"]),
    filter: z.strictObject(packetFilter).default({}),
    sheet: sheetChoice,
    reason,
    perSecond,
    dryRun,
  }),
  answer: bulkAnswer,
  problems: ["missing", "unavailable"],
  async run({ ops: { engine }, body, actor }) {
    const { act, filter, sheet, reason, perSecond, dryRun } = body;
    const connector = filter.connector === undefined ? undefined : await findPacketsConnector(engine, filter.connector);
    if (connector instanceof ApiProblem) return connector;
    const request: BulkRequest = { act, sheet, reason, filter: { ...filter, connector } };
    if (!dryRun) return start(engine, { kind: "bulk", request }, actor, perSecond);
    return preview(engine, async (onPage) => {
      const found = await previewBulk(engine, request, onPage);
      const samples = found.samples.map(({ packet, fate }) => ({ packet: summaryOf(packet), fate }));
      return { kind: "trial" as const, ...found, refused: { ...found.refused }, samples };
    });
  },
});

export const jobOperations = [listJobs, getJob, cancel, startReplay, startBackfill, startBulk];

function jobMissing(): ApiProblem {
  return new ApiProblem("missing", "There is no job with this id. Find the id in the list of jobs.");
}

async function start(engine: Engine, work: JobWork, actor: string, perSecond: number | undefined) {
  const plan: JobPlan = { ...work, actor, ...(perSecond !== undefined && { perSecond }) };
  return { kind: "job" as const, job: jobOf(await startJob(engine, plan)) };
}

class PreviewTimeoutError extends BridgeError {
  override readonly name = "PreviewTimeoutError";

  constructor() {
    super("deadline-exceeded", "the preview took too long");
  }
}

/** Runs a preview, yielding to deliveries after each page. Returns a problem if it takes longer than 20 s. */
async function preview<T>(engine: Engine, scan: (onPage: () => Promise<void>) => Promise<T>): Promise<T | ApiProblem> {
  const until = engine.clock.now() + maxPreviewMs;
  try {
    return await scan(async () => {
      if (engine.clock.now() > until) throw new PreviewTimeoutError();
      await engine.clock.sleep(0);
    });
  } catch (error) {
    if (!(error instanceof PreviewTimeoutError)) throw error;
    return new ApiProblem("unavailable", "The preview took longer than 20 seconds. Choose a shorter time window.");
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
    if (!(error instanceof InvalidRequestError)) throw error;
    return new ApiProblem("refused", "No sheet has this target. The list of sheets shows all targets.");
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
    return new ApiProblem(
      "refused",
      "The file cannot be read. It must be in a folder that bridge.yaml lists under places.",
    );
  }
}
