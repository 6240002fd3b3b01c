import type { Command } from "commander";
import { eventStory, packetStory } from "../ops/schemas.ts";
import { type OpsOptions, opsCommand, withOps } from "./api-client.ts";
import { eventLines, storyLines } from "./format-packet.ts";
import { printJson } from "./output.ts";

/** `bridge explain`: prints the history of one packet or event in plain sentences. */
export function explain(): Command {
  return opsCommand("explain", "show the history of a packet (pkt-…) or an event (evt-…)")
    .argument("<id>", "pkt-… or evt-…")
    .action(async (id: string, options: OpsOptions) => {
      await withOps(options, { work: false, sheets: "if good" }, async (client) => {
        const key = encodeURIComponent(id);
        if (id.startsWith("evt-")) {
          const event = await client.get(`/api/events/${key}`, eventStory);
          return options.json ? printJson(event) : console.log(eventLines(event).join("\n"));
        }
        const packet = await client.get(`/api/packets/${key}`, packetStory);
        return options.json ? printJson(packet) : console.log(storyLines(packet).join("\n"));
      });
    });
}
