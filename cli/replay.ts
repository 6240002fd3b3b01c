import { userInfo } from "node:os";
import { type Command, Option } from "commander";
import type { Job } from "../bridge/records.ts";
import type { ReplayTrial } from "../bridge/replay.ts";
import { idOf, type StoreOptions, storeCommand, withBridge } from "./open.ts";
import { coloured, count, type End, exitCodes, printJson, progress, timeIn } from "./output.ts";

interface ReplayOptions extends StoreOptions {
  readonly from: string;
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
  return storeCommand("replay", "send the packets of a past time window again")
    .requiredOption("--from <time>", "recorded from: 10m, 2h, 2026-12-01T00:00:00Z")
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
    .action((options: ReplayOptions) => (options.dryRun ? tried(options) : replayed(options, end)));
}

async function replayed(options: ReplayOptions, end: End): Promise<void> {
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

async function tried(options: ReplayOptions): Promise<void> {
  await withBridge(options, { work: false, sheets: true }, async (bridge) => {
    const now = Date.now();
    const { force, sheet } = options;
    const connector = options.connector && (await idOf(bridge, options.connector));
    const trial: ReplayTrial = await bridge.tryReplay(timeIn(options.from, now), timeIn(options.to, now + 1), {
      onPage: progress((looked: number) => `${looked} packets looked at`),
      sheet,
      ...(connector && { connector }),
      ...(force && { force }),
    });
    if (options.json) return printJson(trial);
    const { looked, sent, unchanged, superseded, held } = trial;
    console.log(`${looked} packets in this time; nothing was sent. Of them`);
    console.log(`  ${sent} would be sent`);
    console.log(`  ${unchanged} would end UNCHANGED: the target has them`);
    console.log(`  ${superseded} would end SUPERSEDED: the target has newer values`);
    if (held > 0) console.log(`  ${held} would be HELD: today's sheet or policy does not let them go`);
    console.log(
      `  ${looked - sent - unchanged - superseded - held} would be left out: open, discarded, or replays themselves`,
    );
  });
}
