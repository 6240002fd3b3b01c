import { userInfo } from "node:os";
import { type Command, Option } from "commander";
import type { ReplayPreview } from "../bridge/jobs/replay.ts";
import type { Job } from "../bridge/model/job.ts";
import { replayAnswer } from "../ops/jobs.ts";
import { doneAnswer } from "../ops/packets.ts";
import { isElsewhere, type OpsClient, type OpsOptions, opsCommand, withOps } from "./api-client.ts";
import { lineOf } from "./format-packet.ts";
import { jobOver } from "./jobs.ts";
import { coloured, count, type End, exitCodes, printJson, progress, timeIn } from "./output.ts";
import { reasonOf } from "./prompt.ts";
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
export function replay(end: End): Command {
  return opsCommand("replay", "send a packet, or those of a past time window, again")
    .argument("[packet]", "pkt-…: a held one is let go, of a closed one a revision is made")
    .option("--from <time>", "or those recorded from: 10m, 2h, 2026-12-01T00:00:00Z")
    .option("--reason <text>", "of one packet: why, for the ledger; else it is asked for")
    .option("--to <time>", "recorded before", "now")
    .option("--connector <id>", "only of this connector")
    .addOption(
      new Option("--sheet <which>", "the packets as they were made, or what today's sheets make of their events")
        .choices(["pinned", "current"])
        .default("pinned"),
    )
    .option("--force", "send even what the target is believed to hold, as after it was restored from a backup")
    .option("--per-second <packets>", "so many packets a second at most", count)
    .option("--dry-run", "say what would become of the packets, and send nothing")
    .option("--wait <seconds>", "how long to wait for the packets to come to rest", count, 30)
    .addHelpText(
      "after",
      "\nWhat a target already holds ends UNCHANGED; no field goes back to an older value.\n" +
        "It is a job: should this command end, it goes on in the process that works on the store (bridge jobs).\n" +
        "\nExamples: bridge replay --from 2h --dry-run\n" +
        "          bridge replay --from 1d --connector PayrollConnector --force    (payroll was restored from a backup)\n" +
        "          bridge replay --from 1h --sheet current                         (the sheet was wrong, and is mended)",
    )
    .action((id: string | undefined, options: ReplayOptions) => {
      if ((id === undefined) === (options.from === undefined)) {
        throw new TypeError("give a packet, or --from; bridge replay --help shows both");
      }
      if (id !== undefined) return withOps(options, { work: true }, (client) => replayedOne(client, id, options, end));
      const window = { ...options, from: options.from as string };
      if (isElsewhere(options)) return withOps(options, { work: false }, (client) => replayedElsewhere(client, window));
      return options.dryRun ? tried(window) : replayed(window, end);
    });
}

type WindowOptions = ReplayOptions & { readonly from: string };

async function replayedOne(client: OpsClient, id: string, options: ReplayOptions, end: End): Promise<void> {
  if (options.dryRun) throw new TypeError("--dry-run is for a time window; bridge explain shows one packet");
  const body = { sheet: options.sheet, force: options.force, reason: await reasonOf(options.reason) };
  const { packet } = await client.post(`/api/packets/${encodeURIComponent(id)}/replay`, body, doneAnswer);
  if (options.json) printJson(packet);
  else console.log(lineOf(packet));
  if (packet.status === "HELD") end(exitCodes.no);
}

/** The job goes on where the bridge is; its packets are looked at with `bridge outbox`. */
async function replayedElsewhere(client: OpsClient, options: WindowOptions): Promise<void> {
  const { connector, force, sheet, perSecond, dryRun, json } = options;
  const now = Date.now();
  const window = { from: timeIn(options.from, now).toISOString(), to: timeIn(options.to, now + 1).toISOString() };
  const answer = await client.post(
    "/api/replays",
    { ...window, connector, force, sheet, perSecond, dryRun },
    replayAnswer,
  );
  if (answer.kind === "trial") return json ? printJson(answer) : console.log(trialLines(answer).join("\n"));
  const job = await jobOver(client, answer.job.id);
  if (json) return printJson(job);
  console.log(`${job.looked} packets looked at, ${job.made} sent again (${job.id} is ${job.status})`);
}

async function replayed(options: WindowOptions, end: End): Promise<void> {
  await withBridge(options, {}, async (bridge) => {
    const now = Date.now();
    const { force, perSecond, sheet } = options;
    const connector = options.connector && (await idOf(bridge, options.connector));
    const again = await bridge.replay(timeIn(options.from, now), timeIn(options.to, now + 1), {
      actor: userInfo().username,
      onJob: progress(({ looked, made }: Job) => `${looked} packets looked at, ${made} sent again`),
      sheet,
      perSecond,
      ...(connector && { connector }),
      ...(force && { force }),
    });
    const settled = await bridge.settled(options.wait * 1_000);
    const packets = await Promise.all(again.map(async ({ id }, i) => (await bridge.packet(id)) ?? again[i]));
    if (options.json) printJson({ packets, settled });
    else {
      for (const packet of packets) if (packet) console.log(coloured(String(packet), packet.status));
      console.log(
        `${packets.length} packet${packets.length === 1 ? "" : "s"} sent again${settled ? "" : "; not all at rest yet"}`,
      );
    }
    if (packets.some((packet) => packet?.status === "HELD")) end(exitCodes.no);
  });
}

async function tried(options: WindowOptions): Promise<void> {
  await withBridge(options, { work: false, sheets: true }, async (bridge) => {
    const now = Date.now();
    const { force, sheet } = options;
    const connector = options.connector && (await idOf(bridge, options.connector));
    const trial: ReplayPreview = await bridge.tryReplay(timeIn(options.from, now), timeIn(options.to, now + 1), {
      onPage: progress((looked: number) => `${looked} packets looked at`),
      sheet,
      ...(connector && { connector }),
      ...(force && { force }),
    });
    if (options.json) return printJson(trial);
    console.log(trialLines(trial).join("\n"));
  });
}

function trialLines({ looked, sent, unchanged, superseded, held }: ReplayPreview): string[] {
  return [
    `${looked} packets in this time; nothing was sent. Of them`,
    `  ${sent} would be sent`,
    `  ${unchanged} would end UNCHANGED: the target has them`,
    `  ${superseded} would end SUPERSEDED: the target has newer values`,
    ...(held > 0 ? [`  ${held} would be HELD: today's sheet or policy does not let them go`] : []),
    `  ${looked - sent - unchanged - superseded - held} would be left out: open, discarded, or replays themselves`,
  ];
}
