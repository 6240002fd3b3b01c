import { createSecretKey } from "node:crypto";
import type { Policy } from "../governance/policy.ts";
import { type FieldDecision, vet } from "../governance/vet.ts";
import { checkEvent, type SourceEvent } from "../model/event.ts";
import type { SheetExample } from "../model/sheet-document.ts";
import { isPlainName, type Json, type JsonObject, jsonEqual } from "../values/json.ts";
import type { Sheet } from "./compile-sheet.ts";
import { changedFields, type Element, mapEvent } from "./map-event.ts";
import { type Match, match } from "./match-targets.ts";

/** Key for the pseudonyms in previews, which differ from those that a bridge sends. */
const previewKey = createSecretKey(Buffer.alloc(32));

/** A packet that a sheet would produce. Nothing is recorded or sent. */
export interface PreviewedPacket {
  readonly target: string;
  readonly connector: string;
  readonly entity: string;
  readonly action: "upsert" | "delete";
  /** The fields after vetting. */
  readonly fields: JsonObject;
  /** Names of the fields that are sent only if the target is not known to hold them; see `MappedPayload`. */
  readonly unchanged?: readonly string[];
  /** True if nothing is sent to a target that is known to hold the event's previous values. */
  readonly nothingNew?: true;
  readonly governance: readonly FieldDecision[];
  /** Reason the packet would be held. */
  readonly held?: string;
}

/** Options for a preview. */
export interface PreviewOptions {
  readonly policy: Policy;
  /** Time of acceptance in ms since the epoch. */
  readonly nowMs: number;
  /** Elements of the files to which the event refers, by address. */
  readonly files?: SheetExample["files"];
}

/** Returns the packets that a sheet would produce from an event. */
export async function previewSheet(
  sheet: Sheet,
  event: SourceEvent,
  { policy, nowMs, files = {} }: PreviewOptions,
): Promise<readonly PreviewedPacket[]> {
  if (!sheet.sourceEvents.includes(event.type)) return [];
  const packets: PreviewedPacket[] = [];
  for (const found of await match(event, [sheet], nowMs)) {
    for (const payload of await mapEvent(event, found, nowMs, linesFor(event, found, files))) {
      // A payload that becomes an HMS event is not vetted, because it does not leave HMS.
      const inside = { ...payload, verdict: "allow", decisions: [] } as const;
      const { fields, verdict, decisions } =
        payload.target.publish === undefined ? vet(policy, payload, previewKey) : inside;
      const blocked = decisions.filter(({ action }) => action === "block").map(({ field }) => field);
      const held = payload.issue ?? (verdict === "block" ? `governance blocks ${blocked.join(", ")}` : undefined);
      packets.push({
        target: payload.target.name,
        connector: payload.target.connector,
        entity: payload.entity,
        action: payload.target.action,
        fields,
        ...(payload.unchanged && { unchanged: payload.unchanged }),
        ...(changedFields(payload) === undefined && { nothingNew: true }),
        governance: decisions,
        ...(held !== undefined && { held }),
      });
    }
  }
  return packets;
}

/** Returns the elements of the file to which an event refers for a target, or `undefined` if they are not given. */
function linesFor(
  event: SourceEvent,
  { target }: Match,
  files: NonNullable<SheetExample["files"]>,
): Element[] | undefined {
  const address = target.ndjson ? target.forEach?.(event.data) : undefined;
  const lines = typeof address === "string" && Object.hasOwn(files, address) ? files[address] : undefined;
  return lines?.map((value, number) => ({ number, value: value as Json }));
}

/** Adds the attributes that an example's event may omit. */
export function completeEvent(given: JsonObject): JsonObject {
  return { id: "example", source: "hms.example", time: "2026-01-01T00:00:00Z", ...given };
}

/** Result of one example. */
export interface ExampleResult {
  readonly sheet: string;
  readonly example: string;
  /** Differences with their values, one line per target, for the sheet's author. Empty if the example passes. */
  readonly faults: readonly string[];
  /** The same differences by field name only, for logs, because an example may come from a real person's data. */
  readonly differs: readonly string[];
}

/** Runs a sheet's examples, each at its event's own time. */
export async function testSheet(sheet: Sheet, policy: Policy): Promise<ExampleResult[]> {
  return Promise.all(
    sheet.examples.map(async (example) => {
      const found = await testExample(sheet, example, policy);
      return {
        sheet: sheet.name,
        example: example.name,
        faults: found.map(({ message }) => message),
        differs: found.map(({ message, differs = message }) => differs),
      };
    }),
  );
}

interface ExampleIssue {
  readonly message: string;
  /** The difference without values. If absent, `message` contains none. */
  readonly differs?: string;
}

async function testExample(sheet: Sheet, example: SheetExample, policy: Policy): Promise<ExampleIssue[]> {
  const parsed = checkEvent(completeEvent(example.event as JsonObject));
  if (parsed.kind === "malformed") return [{ message: `its event is invalid: ${parsed.reason}` }];
  const packets = await previewSheet(sheet, parsed.event, {
    policy,
    nowMs: Date.parse(parsed.event.time ?? "2026-01-01T00:00:00Z"),
    files: example.files,
  });
  return Object.entries(example.expect).flatMap(([target, expected]): ExampleIssue[] => {
    const made = packets.filter((packet) => packet.target === target);
    const held = made.find((packet) => packet.held !== undefined);
    if (held) return [{ message: `${target}: ${held.held}` }];
    const got = made.filter(({ nothingNew }) => !nothingNew).map(withoutUnchanged);
    const wanted = expected === null ? [] : ([expected].flat() as JsonObject[]);
    if (jsonEqual(got, wanted)) return [];
    return [
      {
        message: `${target}: expected ${shown(wanted)}, got ${shown(got)}`,
        differs: `${target}: ${differing(wanted, got)}`,
      },
    ];
  });
}

/** Returns the fields that a target gets if it already holds the event's previous values. */
function withoutUnchanged({ fields, unchanged = [] }: PreviewedPacket): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !unchanged.includes(name)));
}

/** Lists the differing fields, or states the differing numbers of packets. */
function differing(wanted: readonly JsonObject[], got: readonly JsonObject[]): string {
  if (wanted.length !== got.length) return `number of packets: expected ${wanted.length}, got ${got.length}`;
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
