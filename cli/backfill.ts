import { userInfo } from "node:os";
import type { Command } from "commander";
import type { BackfillPreview } from "../bridge/jobs/backfill.ts";
import type { Job, Malformed } from "../bridge/model/job.ts";
import type { BackfillSource, BackfillTargets, Bridge } from "../library/bridge.ts";
import { backfillAnswer } from "../ops/jobs.ts";
import { isElsewhere, type OpsClient, type OpsOptions, opsCommand, withOps } from "./api-client.ts";
import { jobOver } from "./jobs.ts";
import { count, type End, exitCodes, printJson, progress, table, timeIn } from "./output.ts";
import { idOf, withBridge } from "./with-bridge.ts";

interface BackfillOptions extends OpsOptions {
  readonly since?: string;
  readonly until: string;
  readonly file?: string;
  readonly asOf?: string;
  readonly target: readonly string[];
  readonly connector?: string;
  readonly perSecond?: number;
  readonly dryRun?: true;
  readonly wait: number;
}

const trialHead = ["TARGET", "WOULD BE MADE", "OF THEM HELD", "EXIST ALREADY"];

/** `bridge backfill`: takes old data through today's sheets to chosen targets. */
export function backfill(end: End): Command {
  return opsCommand("backfill", "take old data through today's sheets to chosen targets")
    .option("--since <time>", "recorded events, accepted from: 30d, 2026-12-01T00:00:00Z")
    .option("--until <time>", "accepted before", "now")
    .option(
      "--file <snapshot>",
      "or a file with an event a line, in a place the bridge may read from (bridge.yaml, places)",
    )
    .option("--as-of <time>", "the time of the file's lines that name none")
    .option(
      "--target <sheet.target>",
      "where it is to go; may be given again",
      (one, all: string[]) => [...all, one],
      [],
    )
    .option("--connector <id>", "or every target that goes to this connector")
    .option("--per-second <packets>", "so many packets a second at most", count)
    .option("--dry-run", "count what would be made, show the first packets as they would leave, and make nothing")
    .option("--wait <seconds>", "how long to wait for the packets to come to rest", count, 30)
    .addHelpText(
      "after",
      "\nA packet that exists already is not made again, and what is newer at a target stays: the same back-fill twice\n" +
        "changes nothing. It is a job: should this command end, it goes on in the process that works on the store.\n" +
        "Ends with 1 where lines were no events, or packets are held.\n" +
        "\nExamples: bridge backfill --since 90d --target per_diem.gis --dry-run\n" +
        "          bridge backfill --since 90d --connector GISTableConnector --per-second 50\n" +
        "          bridge backfill --file snapshots/employees.ndjson --as-of 2026-12-01T00:00:00Z --target telework.hr",
    )
    .action((options: BackfillOptions) =>
      isElsewhere(options)
        ? withOps(options, { work: false }, (client) => filledElsewhere(client, options, end))
        : options.dryRun
          ? tried(options, end)
          : filled(options, end),
    );
}

/** The job goes on where the bridge is, and a file must lie there. */
async function filledElsewhere(client: OpsClient, options: BackfillOptions, end: End): Promise<void> {
  const { target, connector, perSecond, dryRun, json } = options;
  const body = { targets: target, connector, from: wireSource(sourceIn(options)), perSecond, dryRun };
  const answer = await client.post("/api/backfills", body, backfillAnswer);
  if (answer.kind === "trial") {
    if (json) return printJson(answer);
    console.log(`${answer.looked} looked at; nothing was made`);
    const rows = Object.entries(answer.targets).map(([name, { made, held, there }]) => [
      name,
      ...[made, held, there].map(String),
    ]);
    console.log(table(trialHead, rows));
    return tellMalformed(answer.malformed);
  }
  const job = await jobOver(client, answer.job.id);
  if (json) printJson(job);
  else console.log(`${job.looked} looked at, ${job.made} packets made (${job.id} is ${job.status})`);
  if (job.malformed && job.malformed.lines > 0) end(exitCodes.no);
}

function wireSource(source: BackfillSource) {
  if ("file" in source) return { file: source.file, ...(source.asOf && { asOf: source.asOf.toISOString() }) };
  const until = source.until === undefined ? {} : { until: new Date(source.until).toISOString() };
  return { since: new Date(source.since).toISOString(), ...until };
}

async function filled(options: BackfillOptions, end: End): Promise<void> {
  await withBridge(options, {}, async (bridge) => {
    const job = await bridge.backfill(sourceIn(options), {
      ...(await targetsIn(bridge, options)),
      actor: userInfo().username,
      perSecond: options.perSecond,
      onJob: progress(({ looked, made }: Job) => `${looked} looked at, ${made} packets made`),
    });
    const settled = await bridge.settled(options.wait * 1_000);
    const statuses = await bridge.statusesOf(job);
    const { malformed = { lines: 0, first: [] } } = job;
    if (options.json) printJson({ job: job.id, looked: job.looked, made: job.made, malformed, statuses, settled });
    else {
      const ends = Object.entries(statuses).map(([status, packets]) => `${packets} ${status}`);
      console.log(
        `${job.looked} ${options.file === undefined ? "events" : "lines"} looked at, ${job.made} packets made`,
      );
      if (ends.length > 0) console.log(`${ends.join(", ")}${settled ? "" : "; not all at rest yet"}`);
      tellMalformed(malformed);
    }
    if (malformed.lines > 0 || (statuses.HELD ?? 0) > 0) end(exitCodes.no);
  });
}

async function tried(options: BackfillOptions, end: End): Promise<void> {
  await withBridge(options, { work: false, sheets: true }, async (bridge) => {
    const trial: BackfillPreview = await bridge.tryBackfill(sourceIn(options), {
      ...(await targetsIn(bridge, options)),
      onPage: progress((looked: number) => `${looked} looked at`),
    });
    const { looked, malformed, targets } = trial;
    if (malformed.lines > 0 || Object.values(targets).some(({ held }) => held > 0)) end(exitCodes.no);
    if (options.json) return printJson(trial);
    console.log(`${looked} ${options.file === undefined ? "events" : "lines"} looked at; nothing was made`);
    const rows = Object.entries(targets).map(([target, { made, held, there }]) => [
      target,
      ...[made, held, there].map(String),
    ]);
    console.log(table(trialHead, rows));
    for (const { packet, progress: way } of Object.values(targets).flatMap(({ samples }) => samples)) {
      const held = way.reason === undefined ? "" : `  HELD: ${way.reason}`;
      console.log(
        `${packet.sheet}.${packet.target}  ${packet.action} ${packet.entity}  ${JSON.stringify(packet.fields)}${held}`,
      );
    }
    tellMalformed(malformed);
  });
}

function sourceIn({ since, until, file, asOf }: BackfillOptions): BackfillSource {
  if ((since === undefined) === (file === undefined)) {
    throw new TypeError("give --since, or --file; bridge backfill --help shows both");
  }
  const now = Date.now();
  if (file !== undefined) return { file, ...(asOf !== undefined && { asOf: timeIn(asOf, now) }) };
  return { since: timeIn(since as string, now), until: timeIn(until, now + 1) };
}

async function targetsIn(bridge: Bridge, { target, connector }: BackfillOptions): Promise<BackfillTargets> {
  return { targets: target, ...(connector !== undefined && { connector: await idOf(bridge, connector) }) };
}

function tellMalformed({ lines, first }: Malformed): void {
  if (lines === 0) return;
  console.log(`${lines} line${lines === 1 ? " is no event" : "s are no events"}:`);
  for (const line of first) console.log(`  ${line}`);
  if (lines > first.length) console.log("  …");
}
