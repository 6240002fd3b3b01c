import { createSecretKey } from "node:crypto";
import type { Policy } from "../governance/policy.ts";
import { type FieldDecision, vet } from "../governance/vet.ts";
import { checkEvent, type SourceEvent } from "../model/event.ts";
import type { SheetExample } from "../model/sheet-document.ts";
import { isPlainName, type Json, type JsonObject, jsonEqual } from "../values/json.ts";
import type { Sheet } from "./compile-sheet.ts";
import { type Element, mapEvent } from "./map-event.ts";
import { type Match, match } from "./match-targets.ts";

/** Makes pseudonyms where nothing is sent: each bridge makes others. */
const previewKey = createSecretKey(Buffer.alloc(32));

/** A packet a sheet would make; nothing is recorded or sent. */
export interface PreviewedPacket {
  readonly target: string;
  readonly connector: string;
  readonly entity: string;
  readonly action: "upsert" | "delete";
  /** As they would leave: vetted. */
  readonly fields: JsonObject;
  readonly governance: readonly FieldDecision[];
  /** Why it would be held. */
  readonly held?: string;
}

/**
 * Says which packets a sheet would make of an event.
 *
 * @param nowMs what counts as the time of acceptance
 * @param files the elements of files the event names, by address
 */
export async function previewSheet(
  sheet: Sheet,
  event: SourceEvent,
  policy: Policy,
  nowMs: number,
  files: SheetExample["files"] = {},
): Promise<readonly PreviewedPacket[]> {
  if (!sheet.sourceEvents.includes(event.type)) return [];
  const packets: PreviewedPacket[] = [];
  for (const found of await match(event, [sheet], nowMs)) {
    for (const parcel of await mapEvent(event, found, nowMs, linesFor(event, found, files))) {
      // What becomes an HMS event stays inside.
      const inside = { ...parcel, verdict: "allow", decisions: [] } as const;
      const { fields, verdict, decisions } =
        parcel.target.publish === undefined ? vet(policy, parcel, previewKey) : inside;
      const blocked = decisions.filter(({ action }) => action === "block").map(({ field }) => field);
      const held = parcel.fault ?? (verdict === "block" ? `governance blocks ${blocked.join(", ")}` : undefined);
      packets.push({
        target: parcel.target.name,
        connector: parcel.target.connector,
        entity: parcel.entity,
        action: parcel.target.action,
        fields,
        governance: decisions,
        ...(held !== undefined && { held }),
      });
    }
  }
  return packets;
}

/** What stands in the file an event names for a target, where that is given; else the mapping says what it lacks. */
function linesFor(
  event: SourceEvent,
  { target }: Match,
  files: NonNullable<SheetExample["files"]>,
): Element[] | undefined {
  const address = target.ndjson ? target.forEach?.(event.data) : undefined;
  const lines = typeof address === "string" && Object.hasOwn(files, address) ? files[address] : undefined;
  return lines?.map((value, number) => ({ number, value: value as Json }));
}

/** What an example may leave out. */
export function completeEvent(given: JsonObject): JsonObject {
  return { id: "example", source: "hms.example", time: "2026-01-01T00:00:00Z", ...given };
}

export interface ExampleResult {
  readonly sheet: string;
  readonly example: string;
  /** What differs, a line a target, with its values: for who has written them. None where it passes. */
  readonly faults: readonly string[];
  /** The same by the fields' names alone, for a log: examples are made of what has happened to somebody. */
  readonly differs: readonly string[];
}

/** Runs a sheet's own examples, at the time their event names. */
export async function testSheet(sheet: Sheet, policy: Policy): Promise<ExampleResult[]> {
  return Promise.all(
    sheet.examples.map(async (example) => {
      const found = await testExample(sheet, example, policy);
      return {
        sheet: sheet.name,
        example: example.name,
        faults: found.map(({ fault }) => fault),
        differs: found.map(({ fault, differs = fault }) => differs),
      };
    }),
  );
}

interface ExampleError {
  readonly fault: string;
  /** If not said, the fault has no value in it. */
  readonly differs?: string;
}

async function testExample(sheet: Sheet, example: SheetExample, policy: Policy): Promise<ExampleError[]> {
  const arrival = checkEvent(completeEvent(example.event as JsonObject));
  if (arrival.kind === "malformed") return [{ fault: `its event is none: ${arrival.reason}` }];
  const packets = await previewSheet(
    sheet,
    arrival.event,
    policy,
    Date.parse(arrival.event.time ?? "2026-01-01T00:00:00Z"),
    example.files,
  );
  return Object.entries(example.expect).flatMap(([target, expected]): ExampleError[] => {
    const made = packets.filter((packet) => packet.target === target);
    const held = made.find((packet) => packet.held !== undefined);
    if (held) return [{ fault: `${target}: ${held.held}` }];
    const got = made.map(({ fields }) => fields);
    const wanted = expected === null ? [] : ([expected].flat() as JsonObject[]);
    if (jsonEqual(got, wanted)) return [];
    return [
      {
        fault: `${target}: expected ${shown(wanted)}, got ${shown(got)}`,
        differs: `${target}: ${differing(wanted, got)}`,
      },
    ];
  });
}

/** In which fields, or in how many packets. */
function differing(wanted: readonly JsonObject[], got: readonly JsonObject[]): string {
  if (wanted.length !== got.length) return `expected ${wanted.length} packets, got ${got.length}`;
  const names = wanted.flatMap((fields, i) => {
    const made = got[i] as JsonObject;
    const all = new Set([...Object.keys(fields), ...Object.keys(made)]);
    return [...all].filter((name) => !jsonEqual(fields[name], made[name]));
  });
  return `${[...new Set(names)].map((name) => (name.split(".").every(isPlainName) ? name : "…")).join(", ")} not as expected`;
}

function shown(packets: readonly JsonObject[]): string {
  if (packets.length === 0) return "no packet";
  return packets.length === 1 ? JSON.stringify(packets[0]) : JSON.stringify(packets);
}
