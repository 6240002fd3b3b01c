import { userInfo } from "node:os";
import type { Command } from "commander";
import type { BackfillPreview } from "../bridge/jobs/backfill.ts";
import type { Job, Malformed } from "../bridge/model/job.ts";
import type { BackfillSource, BackfillTargets, Bridge } from "../library/bridge.ts";
import { backfillAnswer } from "../ops/jobs.ts";
import { isRemote, type OpsClient, type OpsOptions, opsCommand, withOps } from "./api-client.ts";
import { waitForJob } from "./jobs.ts";
import {
  count,
  exitCodes,
  notSettled,
  plural,
  printJson,
  progress,
  type SetExitCode,
  table,
  timeIn,
} from "./output.ts";
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

const previewHeader = ["TARGET", "WOULD BE CREATED", "OF THESE HELD", "ALREADY EXIST"];

/** `bridge backfill`: sends old data through the current sheets to chosen targets. */
export function backfill(setExitCode: SetExitCode): Command {
  return opsCommand("backfill", "send old data through the current sheets to chosen targets")
    .option("--since <time>", "use recorded events accepted since this time: 30d, 2026-12-01T00:00:00Z")
    .option("--until <time>", "use recorded events accepted before this time", "now")
    .option("--file <snapshot>", 'use an NDJSON file instead, from a folder listed under "places:" in bridge.yaml')
    .option("--as-of <time>", "the time for events in the file that have no time")
    .option("--target <sheet.target>", "send to this target (repeatable)", (one, all: string[]) => [...all, one], [])
    .option("--connector <id>", "send to every target that uses this connector")
    .option("--per-second <packets>", "create at most this many packets per second", count)
    .option("--dry-run", "count the packets and show some of them, but create none")
    .option("--wait <seconds>", "maximum time to wait for packets to be closed, held or in the outbox", count, 30)
    .addHelpText(
      "after",
      "\nExisting packets are not created again, and newer values at a target are kept, so running the same backfill\n" +
        "twice changes nothing. A backfill is a job: if this command ends early, the process that works on the store\n" +
        "continues it. The exit code is 1 if a line is not an event or a packet is held.\n" +
        "\nExamples: bridge backfill --since 90d --target per_diem.gis --dry-run\n" +
        "          bridge backfill --since 90d --connector GISTableConnector --per-second 50\n" +
        "          bridge backfill --file snapshots/employees.ndjson --as-of 2026-12-01T00:00:00Z --target telework.hr",
    )
    .action((options: BackfillOptions) =>
      isRemote(options)
        ? withOps(options, { work: false }, (client) => runRemotely(client, options, setExitCode))
        : options.dryRun
          ? printPreview(options, setExitCode)
          : runLocally(options, setExitCode),
    );
}

/** Runs the job on the remote bridge. A snapshot file must be on that bridge's machine. */
async function runRemotely(client: OpsClient, options: BackfillOptions, setExitCode: SetExitCode): Promise<void> {
  const { target, connector, perSecond, dryRun, json } = options;
  const body = { targets: target, connector, from: toRequest(sourceIn(options)), perSecond, dryRun };
  const answer = await client.post("/api/backfills", body, backfillAnswer);
  if (answer.kind === "trial") {
    if (json) return printJson(answer);
    console.log(`${answer.looked} scanned; no packets were created`);
    const rows = Object.entries(answer.targets).map(([name, { made, held, there }]) => [
      name,
      ...[made, held, there].map(String),
    ]);
    console.log(table(previewHeader, rows));
    return printMalformed(answer.malformed);
  }
  const job = await waitForJob(client, answer.job.id);
  if (json) printJson(job);
  else console.log(`${job.looked} scanned, ${plural(job.made, "packet")} created (${job.id} is ${job.status})`);
  if (job.malformed && job.malformed.lines > 0) setExitCode(exitCodes.no);
}

function toRequest(source: BackfillSource) {
  if ("file" in source) return { file: source.file, ...(source.asOf && { asOf: source.asOf.toISOString() }) };
  const until = source.until === undefined ? {} : { until: new Date(source.until).toISOString() };
  return { since: new Date(source.since).toISOString(), ...until };
}

async function runLocally(options: BackfillOptions, setExitCode: SetExitCode): Promise<void> {
  await withBridge(options, {}, async (bridge) => {
    const job = await bridge.backfill(sourceIn(options), {
      ...(await targetsIn(bridge, options)),
      actor: userInfo().username,
      perSecond: options.perSecond,
      onJob: progress(({ looked, made }: Job) => `${looked} scanned, ${plural(made, "packet")} created`),
    });
    const settled = await bridge.settled(options.wait * 1_000);
    const statuses = await bridge.statusesOf(job);
    const { malformed = { lines: 0, first: [] } } = job;
    if (options.json) printJson({ job: job.id, looked: job.looked, made: job.made, malformed, statuses, settled });
    else {
      const ends = Object.entries(statuses).map(([status, packets]) => `${packets} ${status}`);
      console.log(`${scannedLine(job.looked, options)}, ${plural(job.made, "packet")} created`);
      if (ends.length > 0) console.log(`${ends.join(", ")}${settled ? "" : `; ${notSettled}`}`);
      printMalformed(malformed);
    }
    if (malformed.lines > 0 || (statuses.HELD ?? 0) > 0) setExitCode(exitCodes.no);
  });
}

function scannedLine(scanned: number, { file }: BackfillOptions): string {
  return `${plural(scanned, file === undefined ? "event" : "line")} scanned`;
}

async function printPreview(options: BackfillOptions, setExitCode: SetExitCode): Promise<void> {
  await withBridge(options, { work: false, sheets: true }, async (bridge) => {
    const preview: BackfillPreview = await bridge.tryBackfill(sourceIn(options), {
      ...(await targetsIn(bridge, options)),
      onPage: progress((scanned: number) => `${scanned} scanned`),
    });
    const { looked, malformed, targets } = preview;
    if (malformed.lines > 0 || Object.values(targets).some(({ held }) => held > 0)) setExitCode(exitCodes.no);
    if (options.json) return printJson(preview);
    console.log(`${scannedLine(looked, options)}; no packets were created`);
    const rows = Object.entries(targets).map(([target, { made, held, there }]) => [
      target,
      ...[made, held, there].map(String),
    ]);
    console.log(table(previewHeader, rows));
    for (const { packet, progress: state } of Object.values(targets).flatMap(({ samples }) => samples)) {
      const held = state.reason === undefined ? "" : `  HELD: ${state.reason}`;
      console.log(
        `${packet.sheet}.${packet.target}  ${packet.action} ${packet.entity}  ${JSON.stringify(packet.fields)}${held}`,
      );
    }
    printMalformed(malformed);
  });
}

function sourceIn({ since, until, file, asOf }: BackfillOptions): BackfillSource {
  if ((since === undefined) === (file === undefined)) {
    throw new TypeError("give either --since or --file; bridge backfill --help shows both");
  }
  const now = Date.now();
  if (file !== undefined) return { file, ...(asOf !== undefined && { asOf: timeIn(asOf, now) }) };
  return { since: timeIn(since as string, now), until: timeIn(until, now + 1) };
}

async function targetsIn(bridge: Bridge, { target, connector }: BackfillOptions): Promise<BackfillTargets> {
  return { targets: target, ...(connector !== undefined && { connector: await idOf(bridge, connector) }) };
}

function printMalformed({ lines, first }: Malformed): void {
  if (lines === 0) return;
  console.log(lines === 1 ? "1 line is not an event:" : `${lines} lines are not events:`);
  for (const line of first) console.log(`  ${line}`);
  if (lines > first.length) console.log("  …");
}
