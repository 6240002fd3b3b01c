import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { Command } from "commander";
import type { SourceEvent } from "../bridge/model/event.ts";
import type { JsonObject } from "../bridge/values/json.ts";
import type { Bridge } from "../library/bridge.ts";
import { Event } from "../library/event.ts";
import type { PacketView } from "../library/packet-view.ts";
import { coloured, count, type End, exitCodes, printJson } from "./output.ts";
import { type StoreOptions, storeCommand, withBridge } from "./with-bridge.ts";

interface EmitOptions extends StoreOptions {
  readonly file?: string;
  readonly stack?: string;
  readonly wait: number;
}

/** `bridge emit`: publishes events, and says what became of them. */
export function emit(end: End): Command {
  return storeCommand("emit", "publish an event, or many from a file, and say what became of it")
    .argument("[event]", "the event as JSON; id, source and time are made up where absent")
    .option("--file <file>", "NDJSON, an event a line; - is standard input")
    .option("--stack <name>", "publish on the bus of a deployment, by your own AWS credentials and region")
    .option("--wait <seconds>", "how long to wait for the packets to come to rest; not with --stack", count, 10)
    .addHelpText(
      "after",
      `\nBeside a running "bridge serve" the event goes through that process; alone, through this one.\n` +
        "With --stack it is done when EventBridge has all of them, and takes events:PutEvents and ssm:GetParameters.",
    )
    .action(async (text: string | undefined, options: EmitOptions) => {
      if ((text === undefined) === (options.file === undefined)) {
        throw new TypeError("give an event, or --file; bridge emit --help shows both");
      }
      const { file, stack } = options;
      const lines = file === undefined ? [text as string] : linesOf(file);
      if (stack !== undefined) await publishOn(stack, options, lines);
      else await emitHere(options, lines, end);
    });
}

type Lines = Iterable<string> | AsyncIterable<string>;

async function emitHere(options: EmitOptions, lines: Lines, end: End): Promise<void> {
  await withBridge(options, {}, async (bridge) => {
    const began = Date.now();
    const keys = await emitEach(options, lines, 1, async ([event]) => [await bridge.emit(event as SourceEvent)]);
    const settled = await bridge.settled(options.wait * 1_000);
    const packets = await packetsOf(bridge, new Set(keys), began);
    report(options, keys, packets, settled);
    if (packets.some(({ status }) => status === "HELD")) end(exitCodes.no);
  });
}

async function publishOn(stack: string, options: EmitOptions, lines: Lines): Promise<void> {
  const { maxEntries } = await import("../platform/aws/put-events.ts");
  const { openDeployedBus } = await import("../platform/aws/deployment.ts");
  const bus = await openDeployedBus(stack);
  const keys = await emitEach(options, lines, maxEntries, (events) => bus.publish(events));
  if (options.json) printJson({ events: keys });
  else console.log(`${keys.length === 1 ? `${keys[0]} is` : `${keys.length} events are`} on the bus of ${stack}`);
}

/**
 * Hands events on as they are read, so many at a time.
 *
 * @returns their keys
 * @throws with file, line, and how many were accepted before it
 */
async function emitEach(
  { file }: EmitOptions,
  lines: Lines,
  atOnce: number,
  take: (events: readonly SourceEvent[]) => Promise<readonly string[]>,
): Promise<string[]> {
  const keys: string[] = [];
  let events: SourceEvent[] = [];
  let line = 0;
  const told = (error: unknown): unknown => {
    if (file === undefined) return error;
    const before = `${keys.length} event${keys.length === 1 ? " was" : "s were"} accepted before it`;
    const message = `${file}:${line}: ${(error as Error).message}; ${before}`;
    const isCallers = error instanceof TypeError || error instanceof RangeError;
    return isCallers ? new TypeError(message, { cause: error }) : new Error(message, { cause: error });
  };
  const handOn = async () => {
    if (events.length === 0) return;
    try {
      keys.push(...(await take(events)));
    } catch (error) {
      throw told(error);
    }
    events = [];
  };
  for await (const given of lines) {
    line++;
    if (given.trim() === "") continue;
    try {
      events.push(Event(eventIn(given) as never));
    } catch (error) {
      await handOn();
      throw told(error);
    }
    if (events.length === atOnce) await handOn();
  }
  await handOn();
  return keys;
}

/** Opened when the first line is asked for: what an interface reads while nobody listens is lost. */
async function* linesOf(file: string): AsyncGenerator<string> {
  yield* createInterface({ input: file === "-" ? process.stdin : createReadStream(file) });
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
