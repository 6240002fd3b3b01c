import { userInfo } from "node:os";
import type { Command } from "commander";
import type { Job } from "../bridge/records.ts";
import { idOf, type StoreOptions, storeCommand, withBridge } from "./open.ts";
import { coloured, count, type End, exitCodes, printJson, progress, timeIn } from "./output.ts";

interface ReplayOptions extends StoreOptions {
  readonly from: string;
  readonly to: string;
  readonly connector?: string;
  readonly force?: true;
  readonly wait: number;
}

/** `bridge replay`: sends the packets of a past time window again. */
export function replay(end: End): Command {
  return storeCommand("replay", "send the packets of a past time window again")
    .requiredOption("--from <time>", "recorded from: 10m, 2h, 2026-12-01T00:00:00Z")
    .option("--to <time>", "recorded before", "now")
    .option("--connector <id>", "only of this connector")
    .option("--force", "send even what the target is believed to hold, as after it was restored from a backup")
    .option("--wait <seconds>", "how long to wait for the packets to come to rest", count, 30)
    .addHelpText(
      "after",
      "\nWhat a target already holds ends UNCHANGED; no field goes back to an older value.\n" +
        "It is a job: should this command end, it goes on in the process that works on the store (bridge jobs).",
    )
    .action(async (options: ReplayOptions) => {
      await withBridge(options, {}, async (bridge) => {
        const now = Date.now();
        const { force } = options;
        const connector = options.connector && (await idOf(bridge, options.connector));
        const again = await bridge.replay(timeIn(options.from, now), timeIn(options.to, now + 1), {
          actor: userInfo().username,
          onJob: progress(({ looked, made }: Job) => `${looked} packets looked at, ${made} sent again`),
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
    });
}
