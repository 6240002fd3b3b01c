import { stringify } from "yaml";
import * as z from "zod";
import type { Engine } from "../bridge/engine.ts";
import type { Sheet } from "../bridge/mapping/compile-sheet.ts";
import { readSheet, readSheets, type SheetIssue } from "../bridge/mapping/sheet-file.ts";
import { completeEvent, previewSheet } from "../bridge/mapping/try-sheet.ts";
import { acceptanceOf } from "../bridge/model/acceptance.ts";
import { checkEvent, type SourceEvent } from "../bridge/model/event.ts";
import { isJsonObject, type Json, type JsonObject, jsonEqual } from "../bridge/values/json.ts";
import { endpoint } from "./endpoint.ts";
import { ApiProblem } from "./problem.ts";
import { eventId, timeOut, triedPacket } from "./schemas.ts";
import { triedOf } from "./serialize.ts";

/** Time limit in milliseconds, after which a preview returns only the events processed so far. */
const maxPreviewMs = 5_000;

const sheetName = z.string().regex(/^[\w.-]{1,100}$/, "is not a sheet name");
const sheetText = z.string().min(1).max(65_536).describe("The sheet's YAML.");
const anyEvent = z
  .custom<JsonObject>(isJsonObject, "is not an object")
  .meta({ type: "object", additionalProperties: true })
  .describe("A source event. `id`, `source` and `time` may be omitted.");

const sheetView = z
  .object({
    name: z.string(),
    hash: z.string(),
    sourceEvents: z.array(z.string()),
    windowMs: z.int(),
    targets: z.array(
      z.object({
        name: z.string(),
        connector: z.string(),
        action: z.enum(["upsert", "delete"]),
        from: z.iso.datetime().optional(),
        until: z.iso.datetime().optional(),
        fields: z.array(z.object({ from: z.string(), to: z.string() })),
      }),
    ),
  })
  .meta({ id: "Sheet" });

const sheetIssue = z.object({ line: z.int(), message: z.string() });

const listSheets = endpoint({
  method: "get",
  path: "/api/sheets",
  id: "listSheets",
  summary: "Lists the active mapping sheets",
  answer: z.object({ items: z.array(sheetView) }),
  run: ({ ops: { engine } }) => ({ items: engine.sheets().sheets.map(viewOf) }),
});

const getSheet = endpoint({
  method: "get",
  path: "/api/sheets/{name}",
  id: "getSheet",
  summary: "Gets one active sheet with its text",
  params: z.strictObject({ name: sheetName }),
  answer: sheetView.extend({ text: z.string().describe("The sheet as YAML, without its examples and comments.") }),
  problems: ["missing"],
  run({ ops: { engine }, params: { name } }) {
    const sheet = findSheet(engine, name);
    return sheet instanceof ApiProblem ? sheet : { ...viewOf(sheet), text: stringify(sheet.document) };
  },
});

const checkSheet = endpoint({
  method: "post",
  path: "/api/sheets/check",
  id: "checkSheet",
  summary: "Checks a sheet as loading would and runs its examples, without loading it",
  body: z.strictObject({
    name: sheetName
      .optional()
      .describe("The sheet's name. With it, the sheet is compared with the other active sheets."),
    text: sheetText,
  }),
  answer: z.object({
    ok: z.boolean(),
    faults: z.array(sheetIssue),
    warnings: z.array(sheetIssue),
    examples: z.array(z.object({ name: z.string(), faults: z.array(z.string()) })),
  }),
  async run({ ops: { engine }, body: { name, text } }) {
    const file = { file: `${name ?? "proposed"}.yaml`, text };
    const { sheets, policy } = engine.sheets();
    const active = (name === undefined ? [] : sheets)
      .filter((sheet) => sheet.name !== name)
      .map((sheet) => ({ sheet, placeOf: (path: readonly PropertyKey[]) => `${sheet.name}: ${path.join(".")}` }));
    const { issues, warnings, examples } = await readSheets([file], engine.catalog, policy, active);
    return {
      ok: issues.length === 0,
      faults: issues.map(issueView),
      warnings: warnings.map(issueView),
      examples: examples.map(({ example, faults }) => ({ name: example, faults: [...faults] })),
    };
  },
});

const packets = z.array(triedPacket);

const trySheet = endpoint({
  method: "post",
  path: "/api/sheets/try",
  id: "trySheet",
  summary: "Previews a sheet's packets for one event or the latest recorded events, next to the active sheet's packets",
  body: z
    .strictObject({
      name: sheetName.describe(
        "The name of the proposed sheet. The active sheet of this name, if any, is the one to compare with.",
      ),
      text: sheetText.optional().describe("The proposed sheet. Default: the active sheet."),
      event: anyEvent.optional(),
      last: z
        .int()
        .min(1)
        .max(200)
        .optional()
        .describe("Number of the latest recorded events of the sheet's types to use instead of `event`."),
    })
    .refine(
      ({ event, last }) => (event === undefined) !== (last === undefined),
      "requires either event or last, not both",
    ),
  answer: z.object({
    looked: z.int(),
    changed: z.int().describe("Events for which the proposed sheet creates different packets."),
    complete: z.boolean().describe("False if the preview reached its time limit of 5 s before the last event."),
    events: z.array(
      z.object({
        id: eventId.optional(),
        type: z.string(),
        acceptedAt: z.iso.datetime().optional(),
        today: packets,
        proposed: packets,
        same: z.boolean(),
      }),
    ),
  }),
  problems: ["missing", "refused"],
  async run({ ops: { engine }, body: { name, text, event, last } }) {
    const today = engine.sheets().sheets.find((sheet) => sheet.name === name);
    const proposed = text === undefined ? findSheet(engine, name) : readProposed(name, text);
    if (proposed instanceof ApiProblem) return proposed;
    const checked = event === undefined ? undefined : checkEvent(completeEvent(event));
    if (checked?.kind === "malformed") return new ApiProblem("refused", `The event is invalid: ${checked.reason}`);
    const events = checked ? [{ event: checked.event }] : await latestEvents(engine, proposed, last ?? 1);
    const until = engine.clock.now() + maxPreviewMs;
    const previews: Awaited<ReturnType<typeof previewEvent>>[] = [];
    for (const event of events) {
      if (engine.clock.now() > until) break;
      previews.push(await previewEvent(engine, { today, proposed }, event));
      await engine.clock.sleep(0);
    }
    const changed = previews.filter(({ same }) => !same).length;
    return { looked: previews.length, changed, complete: previews.length === events.length, events: previews };
  },
});

export const sheetOperations = [listSheets, getSheet, checkSheet, trySheet];

function findSheet(engine: Engine, name: string): Sheet | ApiProblem {
  const sheet = engine.sheets().sheets.find((one) => one.name === name);
  return sheet ?? new ApiProblem("missing", "No active sheet has this name. Find the name in the list of sheets.");
}

function readProposed(name: string, text: string): Sheet | ApiProblem {
  const reading = readSheet(`${name}.yaml`, text);
  if (reading.ok) return reading.sheet;
  const faults = reading.issues.map(({ line, message }) => ({ where: `text line ${line}`, what: message }));
  return new ApiProblem("refused", "The proposed sheet has errors. Fix them first.", { faults });
}

interface PreviewedEvent {
  readonly id?: string;
  /** ms since the epoch */
  readonly acceptedAt?: number;
  readonly event: SourceEvent;
}

async function latestEvents({ store }: Engine, { sourceEvents }: Sheet, last: number): Promise<PreviewedEvent[]> {
  const found = await Promise.all(sourceEvents.map((type) => store.events({ type, newestFirst: true, limit: last })));
  return found
    .flat()
    .sort((a, b) => b.value.accepted - a.value.accepted)
    .slice(0, last)
    .flatMap(({ key, value }) =>
      value.event ? [{ id: key, acceptedAt: acceptanceOf(value).acceptedAt, event: value.event }] : [],
    );
}

async function previewEvent(
  engine: Engine,
  sheets: { readonly today: Sheet | undefined; readonly proposed: Sheet },
  { id, acceptedAt, event }: PreviewedEvent,
) {
  const { policy } = engine.sheets();
  const at = acceptedAt ?? engine.clock.now();
  const [today, proposed] = await Promise.all([
    sheets.today ? previewSheet(sheets.today, event, { policy, nowMs: at }) : [],
    previewSheet(sheets.proposed, event, { policy, nowMs: at }),
  ]);
  return {
    ...(id !== undefined && { id }),
    type: event.type,
    ...(acceptedAt !== undefined && { acceptedAt: timeOut(acceptedAt) }),
    today: today.map(triedOf),
    proposed: proposed.map(triedOf),
    same: jsonEqual(today as unknown as Json, proposed as unknown as Json),
  };
}

function viewOf({ name, hash, sourceEvents, windowMs, targets }: Sheet): z.input<typeof sheetView> {
  return {
    name,
    hash,
    sourceEvents: [...sourceEvents],
    windowMs,
    targets: targets.map(({ name, connector, action, from, until, fields }) => ({
      name,
      connector,
      action,
      ...(from !== undefined && { from: timeOut(from) }),
      ...(until !== undefined && { until: timeOut(until) }),
      fields: fields.map(({ from, to }) => ({ from, to })),
    })),
  };
}

function issueView({ line, message }: SheetIssue): z.input<typeof sheetIssue> {
  return { line, message };
}
