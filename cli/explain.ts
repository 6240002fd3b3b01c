import type { Command } from "commander";
import type { LedgerEntry } from "../bridge/ledger.ts";
import type { EventRecord, PacketRecord } from "../bridge/records.ts";
import { inWords } from "../library/view.ts";
import { type StoreOptions, storeCommand, withBridge } from "./open.ts";
import { type End, exitCodes, printJson } from "./output.ts";

/** `bridge explain`: the story of one packet or event, in plain sentences. */
export function explain(end: End): Command {
  return storeCommand("explain", "tell the story of a packet (pkt-…) or an event (evt-…)")
    .argument("<id>", "pkt-… or evt-…")
    .action(async (id: string, options: StoreOptions) => {
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
        if (options.json) return printJson({ id, record, ledger: chain });
        const head = packet ? packetHead(packet.value) : eventHead(id, event?.value as EventRecord);
        console.log(
          [...head, "", ...chain.map(sentence), ...(packet ? ending(packet.value, clock.now()) : [])].join("\n"),
        );
      });
    });
}

function packetHead({ packet }: PacketRecord): string[] {
  const fields = Object.entries(packet.fields).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  return [
    `${packet.id} carries ${packet.action === "delete" ? "the deletion of " : ""}${packet.entity} to ${packet.target} (${packet.connector})`,
    `  because of ${packet.eventType}, event ${packet.event}, by sheet ${packet.sheet}`,
    `  fields  ${fields.join(", ") || "none"}`,
    ...(packet.replayOf ? [`  sends ${packet.replayOf} again`] : []),
  ];
}

function eventHead(id: string, { event, raw, packets, duplicates }: EventRecord): string[] {
  if (!event) return [`${id} is a message that is no event`, `  it begins  ${raw?.slice(0, 200)}`];
  return [
    `${id} is ${event.type} from ${event.source}, id ${event.id}`,
    `  it made ${packets} packet${packets === 1 ? "" : "s"}${duplicates > 0 ? ` and came ${duplicates} more times` : ""}`,
  ];
}

/** One ledger entry, as one would tell it. */
function sentence({ at, step, facts }: LedgerEntry): string {
  const time = new Date(at).toISOString().replace("T", " ").slice(0, 23);
  return `  ${time}  ${step.padEnd(10)}  ${told(step, facts)}`;
}

function told(step: LedgerEntry["step"], facts: LedgerEntry["facts"]): string {
  const tries = facts.tries === undefined ? "" : ` at try ${facts.tries}`;
  switch (step) {
    case "QUEUED":
      if (facts.place === "outbox") return `put into the outbox${tries}`;
      if (facts.place === "behind") return `waits behind ${facts.head}, the oldest of its lane`;
      if (facts.place === "lane") return `put back on its lane: ${facts.why}`;
      return `recorded with ${(facts.fields as string[] | undefined)?.join(", ")}${rules(facts)}; put on its lane`;
    case "RETRY":
      return `the target did not take it${tries}${http(facts)}; next try in ${inWords(Number(facts.waitMs))}`;
    case "HELD":
      return `held for a person: ${facts.reason}${tries}${http(facts)}${rules(facts)}`;
    case "SENT":
      return `the target took it${tries}${http(facts)}, in ${facts.ms} ms`;
    case "UNCHANGED":
    case "SUPERSEDED":
    case "DISCARDED":
      return `not sent: ${facts.reason ?? step.toLowerCase()}`;
    case "EXPANDING":
    case "EXPANDED":
      if (facts.chunks !== undefined) return `is large: expanded in ${facts.chunks} chunks`;
      return `made ${facts.packets} packets${facts.targets === undefined ? "" : ` for ${facts.targets} targets`}`;
    case "UNMATCHED":
      return "no sheet wants it";
    case "QUARANTINED":
      return `put aside: ${facts.reason}`;
    case "NOTED":
      return `${facts.type}, by ${facts.actor}${facts.why === undefined ? "" : `: ${facts.why}`}`;
    case "DUPLICATE":
      return "came again, and changed nothing";
  }
}

function http({ http: status }: LedgerEntry["facts"]): string {
  return status === undefined ? "" : ` (HTTP ${status})`;
}

function rules({ governance }: LedgerEntry["facts"]): string {
  const decisions = (governance ?? []) as { field: string; action: string; rule: string }[];
  if (decisions.length === 0) return "";
  return `; governance: ${decisions.map(({ field, action, rule }) => `${action} ${field} (${rule})`).join(", ")}`;
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
