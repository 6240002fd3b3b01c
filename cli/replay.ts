import { userInfo } from "node:os";
import { type Command, Option } from "commander";
import type { ReplayPreview } from "../bridge/jobs/replay.ts";
import type { Job } from "../bridge/model/job.ts";
import { replayAnswer } from "../ops/jobs.ts";
import { doneAnswer } from "../ops/packets.ts";
import { isRemote, type OpsClient, type OpsOptions, opsCommand, withOps } from "./api-client.ts";
import { lineOf } from "./format-packet.ts";
import { waitForJob } from "./jobs.ts";
import {
  colored,
  count,
  exitCodes,
  notSettled,
  plural,
  printJson,
  progress,
  type SetExitCode,
  timeIn,
} from "./output.ts";
import { askReason } from "./prompt.ts";
import { idOf, withBridge } from "./with-bridge.ts";

interface ReplayOptions extends OpsOptions {
  readonly from?: string;
  readonly reason?: string;
  readonly to: string;
  readonly connector?: string;
  readonly sheet: "pinned" | "current";
  readonly force?: true;
  readonly perSecond?: number;
  readonly dryRun?: true;
  readonly wait: number;
}

/** `bridge replay`: sends the packets of a past time window again. */
export function replay(setExitCode: SetExitCode): Command {
  return opsCommand("replay", "send a packet again, or the packets of a past time window")
    .argument("[packet]", "pkt-…: releases a held packet, or creates a revision of a closed one")
    .option("--from <time>", "packets recorded since this time: 10m, 2h, 2026-12-01T00:00:00Z")
    .option("--reason <text>", "for one packet: the reason for the ledger; prompted for if omitted")
    .option("--to <time>", "packets recorded before this time", "now")
    .option("--connector <id>", "only packets of this connector")
    .addOption(
      new Option(
        "--sheet <which>",
        "pinned: packets as created; current: map their events again with the current sheets",
      )
        .choices(["pinned", "current"])
        .default("pinned"),
    )
    .option("--force", "also send values the target is known to hold, for a target restored from a backup")
    .option("--per-second <packets>", "send at most this many packets per second", count)
    .option("--dry-run", "show the result and send nothing")
    .option("--wait <seconds>", "maximum time to wait for packets to be closed, held or in the outbox", count, 30)
    .addHelpText(
      "after",
      "\nPackets whose values the target already holds end UNCHANGED. No field returns to an older value.\n" +
        "A replay is a job: if this command ends early, the process that works on the store continues it (bridge jobs).\n" +
        "\nExamples: bridge replay --from 2h --dry-run\n" +
        "          bridge replay --from 1d --connector PayrollConnector --force    (payroll was restored from a backup)\n" +
        "          bridge replay --from 1h --sheet current                         (the sheet was wrong and is now fixed)",
    )
    .action((id: string | undefined, options: ReplayOptions) => {
      if ((id === undefined) === (options.from === undefined)) {
        throw new TypeError("give either a packet id or --from; bridge replay --help shows both");
      }
      if (id !== undefined)
        return withOps(options, { work: true }, (client) => replayOne(client, id, options, setExitCode));
      const window = { ...options, from: options.from as string };
      if (isRemote(options)) return withOps(options, { work: false }, (client) => replayRemotely(client, window));
      return options.dryRun ? printPreview(window) : replayLocally(window, setExitCode);
    });
}

type WindowOptions = ReplayOptions & { readonly from: string };

async function replayOne(
  client: OpsClient,
  id: string,
  options: ReplayOptions,
  setExitCode: SetExitCode,
): Promise<void> {
  if (options.dryRun) throw new TypeError("--dry-run needs a time window; to inspect one packet, use bridge explain");
  const body = { sheet: options.sheet, force: options.force, reason: await askReason(options.reason) };
  const { packet } = await client.post(`/api/packets/${encodeURIComponent(id)}/replay`, body, doneAnswer);
  if (options.json) printJson(packet);
  else console.log(lineOf(packet));
  if (packet.status === "HELD") setExitCode(exitCodes.no);
}

/** Runs the job on the remote bridge. `bridge outbox` shows its packets. */
async function replayRemotely(client: OpsClient, options: WindowOptions): Promise<void> {
  const { connector, force, sheet, perSecond, dryRun, json } = options;
  const now = Date.now();
  const window = { from: timeIn(options.from, now).toISOString(), to: timeIn(options.to, now + 1).toISOString() };
  const answer = await client.post(
    "/api/replays",
    { ...window, connector, force, sheet, perSecond, dryRun },
    replayAnswer,
  );
  if (answer.kind === "trial") return json ? printJson(answer) : console.log(previewLines(answer).join("\n"));
  const job = await waitForJob(client, answer.job.id);
  if (json) return printJson(job);
  console.log(`${plural(job.looked, "packet")} scanned, ${job.made} replayed (${job.id} is ${job.status})`);
}

async function replayLocally(options: WindowOptions, setExitCode: SetExitCode): Promise<void> {
  await withBridge(options, {}, async (bridge) => {
    const now = Date.now();
    const { force, perSecond, sheet } = options;
    const connector = options.connector && (await idOf(bridge, options.connector));
    const again = await bridge.replay(timeIn(options.from, now), timeIn(options.to, now + 1), {
      actor: userInfo().username,
      onJob: progress(({ looked, made }: Job) => `${plural(looked, "packet")} scanned, ${made} replayed`),
      sheet,
      perSecond,
      ...(connector && { connector }),
      ...(force && { force }),
    });
    const settled = await bridge.settled(options.wait * 1_000);
    const packets = await Promise.all(again.map(async ({ id }, i) => (await bridge.packet(id)) ?? again[i]));
    if (options.json) printJson({ packets, settled });
    else {
      for (const packet of packets) if (packet) console.log(colored(String(packet), packet.status));
      console.log(`${plural(packets.length, "packet")} replayed${settled ? "" : `; ${notSettled}`}`);
    }
    if (packets.some((packet) => packet?.status === "HELD")) setExitCode(exitCodes.no);
  });
}

async function printPreview(options: WindowOptions): Promise<void> {
  await withBridge(options, { work: false, sheets: true }, async (bridge) => {
    const now = Date.now();
    const { force, sheet } = options;
    const connector = options.connector && (await idOf(bridge, options.connector));
    const preview: ReplayPreview = await bridge.tryReplay(timeIn(options.from, now), timeIn(options.to, now + 1), {
      onPage: progress((scanned: number) => `${plural(scanned, "packet")} scanned`),
      sheet,
      ...(connector && { connector }),
      ...(force && { force }),
    });
    if (options.json) return printJson(preview);
    console.log(previewLines(preview).join("\n"));
  });
}

function previewLines({ looked, sent, unchanged, superseded, held }: ReplayPreview): string[] {
  return [
    `${plural(looked, "packet")} in this time window; nothing was sent. Of these`,
    `  ${sent} would be sent`,
    `  ${unchanged} would end UNCHANGED: the target already has these values`,
    `  ${superseded} would end SUPERSEDED: the target has newer values`,
    ...(held > 0 ? [`  ${held} would be HELD: the current sheet or policy blocks them`] : []),
    `  ${looked - sent - unchanged - superseded - held} would be skipped: open, discarded, or replays themselves`,
  ];
}
