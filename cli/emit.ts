import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { Command } from "commander";
import type { JsonObject } from "../bridge/json.ts";
import type { Bridge } from "../library/bridge.ts";
import { Event } from "../library/event.ts";
import type { PacketView } from "../library/view.ts";
import { type StoreOptions, storeCommand, withBridge } from "./open.ts";
import { coloured, count, type End, exitCodes, printJson } from "./output.ts";

interface EmitOptions extends StoreOptions {
  readonly file?: string;
  readonly wait: number;
}

/** `bridge emit`: publishes events, and says what became of them. */
export function emit(end: End): Command {
  return storeCommand("emit", "publish an event, or many from a file, and say what became of it")
    .argument("[event]", "the event as JSON; id, source and time are made up where absent")
    .option("--file <file>", "NDJSON, an event a line; - is standard input")
    .option("--wait <seconds>", "how long to wait for the packets to come to rest", count, 10)
    .addHelpText(
      "after",
      `\nBeside a running "bridge serve" the event goes through that process; alone, through this one.`,
    )
    .action(async (text: string | undefined, options: EmitOptions) => {
      if ((text === undefined) === (options.file === undefined)) {
        throw new TypeError("give an event, or --file; bridge emit --help shows both");
      }
      await withBridge(options, {}, async (bridge) => {
        const began = Date.now();
        const keys: string[] = [];
        let line = 0;
        for await (const given of text === undefined ? linesOf(options.file as string) : [text]) {
          line++;
          if (given.trim() === "") continue;
          try {
            keys.push(await bridge.emit(Event(eventIn(given) as never)));
          } catch (error) {
            if (options.file === undefined) throw error;
            const before = `${keys.length} event${keys.length === 1 ? " was" : "s were"} accepted before it`;
            throw new TypeError(`${options.file}:${line}: ${(error as Error).message}; ${before}`, { cause: error });
          }
        }
        const settled = await bridge.settled(options.wait * 1_000);
        const packets = await packetsOf(bridge, new Set(keys), began);
        report(options, keys, packets, settled);
        if (packets.some(({ status }) => status === "HELD")) end(exitCodes.no);
      });
    });
}

function linesOf(file: string): AsyncIterable<string> {
  return createInterface({ input: file === "-" ? process.stdin : createReadStream(file) });
}

function eventIn(text: string): JsonObject {
  try {
    return JSON.parse(text) as JsonObject;
  } catch {
    throw new TypeError("the event is not JSON");
  }
}

/** Those recorded since the call, newest last. An event published before has its packets further back. */
async function packetsOf(bridge: Bridge, keys: ReadonlySet<string>, since: number): Promise<PacketView[]> {
  const recent = await bridge.outbox({ from: new Date(since - 1_000), limit: 10_000 });
  return recent.filter(({ event }) => keys.has(event));
}

function report(
  { json }: StoreOptions,
  keys: readonly string[],
  packets: readonly PacketView[],
  settled: boolean,
): void {
  if (json) {
    printJson({ events: keys, packets, settled });
    return;
  }
  console.log(`${keys.length === 1 ? keys[0] : `${keys.length} events`} accepted`);
  for (const packet of packets.slice(0, 50)) console.log(coloured(String(packet), packet.status));
  if (packets.length > 50) console.log(`… and ${packets.length - 50} more; bridge outbox lists them`);
  if (packets.length === 0 && settled)
    console.log("no packet: no sheet maps it, nothing changed, or it was published before");
  if (!settled) console.log("not all at rest yet; bridge outbox shows how they go on");
}
