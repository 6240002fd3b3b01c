import type { Command } from "commander";
import { withoutPersonalData } from "../bridge/by.ts";
import type { LedgerEntry } from "../bridge/ledger.ts";
import type { EventRecord, PacketRecord } from "../bridge/records.ts";
import { inWords, sentenceOf } from "../bridge/story.ts";
import { eventStory, packetStory } from "../ops/schemas.ts";
import { isElsewhere, type OpsClient, type OpsOptions, opsCommand, withOps } from "./client.ts";
import { withBridge } from "./open.ts";
import { type End, exitCodes, printJson } from "./output.ts";
import { eventLines, storyLines } from "./packet-lines.ts";

/** `bridge explain`: the story of one packet or event, in plain sentences. */
export function explain(end: End): Command {
  return opsCommand("explain", "tell the story of a packet (pkt-…) or an event (evt-…)")
    .argument("<id>", "pkt-… or evt-…")
    .action(async (id: string, options: OpsOptions) => {
      // A program gets the same from here and from elsewhere.
      if (options.json || isElsewhere(options))
        return withOps(options, { work: false }, (client) => explained(client, id, options));
      await withBridge(options, { work: false }, async (bridge) => {
        const { store, clock } = await bridge.engine();
        const [packet] = id.startsWith("pkt-") ? await store.read("packet", [id]) : [];
        const [event] = id.startsWith("evt-") ? await store.read("event", [id]) : [];
        const chain = await store.chain(id);
        const record = packet?.value ?? event?.value;
        if (!record) {
          console.error(`bridge: there is no ${id} in ${options.dir}; bridge outbox lists the packets`);
          end(exitCodes.no);
          return;
        }
        const head = packet ? packetHead(packet.value) : eventHead(id, event?.value as EventRecord);
        console.log(
          [...head, "", ...chain.map(sentence), ...(packet ? ending(packet.value, clock.now()) : [])].join("\n"),
        );
      });
    });
}

/** Tells it by way of the API. */
async function explained(client: OpsClient, id: string, { json }: OpsOptions): Promise<void> {
  const place = encodeURIComponent(id);
  if (id.startsWith("evt-")) {
    const event = await client.get(`/api/events/${place}`, eventStory);
    return json ? printJson(event) : console.log(eventLines(event).join("\n"));
  }
  const packet = await client.get(`/api/packets/${place}`, packetStory);
  return json ? printJson(packet) : console.log(storyLines(packet).join("\n"));
}

function packetHead({ packet, progress }: PacketRecord): string[] {
  const fields = Object.entries(packet.fields).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  return [
    `${packet.id} carries ${packet.action === "delete" ? "the deletion of " : ""}${packet.entity} to ${packet.target} (${packet.connector})`,
    `  because of ${packet.eventType}, event ${packet.event}, by sheet ${packet.sheet}`,
    `  fields  ${progress.erasedAt === undefined ? fields.join(", ") || "none" : "erased, being old"}`,
    ...(packet.replayOf ? [`  sends ${packet.replayOf} again`] : []),
    ...(packet.replaces ? [`  stands in the place of ${packet.replaces}`] : []),
  ];
}

function eventHead(id: string, { event, erased, raw, packets, duplicates }: EventRecord): string[] {
  if (erased) return [`${id} was ${erased.type ?? "no event"}; what it said was erased, being old`];
  if (!event)
    return [`${id} is a message that is no event`, `  it begins  ${withoutPersonalData(raw?.slice(0, 200) ?? "")}`];
  return [
    `${id} is ${event.type} from ${event.source}, id ${event.id}`,
    `  it made ${packets} packet${packets === 1 ? "" : "s"}${duplicates > 0 ? ` and came ${duplicates} more times` : ""}`,
  ];
}

/** One ledger entry, as one would tell it. */
function sentence({ at, step, facts }: LedgerEntry): string {
  const time = new Date(at).toISOString().replace("T", " ").slice(0, 23);
  return `  ${time}  ${step.padEnd(10)}  ${sentenceOf({ step, facts })}`;
}

function ending({ progress }: PacketRecord, now: number): string[] {
  const { status, reason, nextTryAt, answer, delivery } = progress;
  const place = delivery?.at === undefined ? "" : ` at ${delivery.at}`;
  const next = nextTryAt === undefined ? "" : `, next try in ${inWords(nextTryAt - now)}`;
  return [
    "",
    `now ${status}${place}${next}${reason ? `: ${reason}` : ""}`,
    ...(answer ? [`the target answered: ${answer}`] : []),
  ];
}
