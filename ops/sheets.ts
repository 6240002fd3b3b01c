import { stringify } from "yaml";
import * as z from "zod";
import type { Engine } from "../bridge/engine.ts";
import type { Sheet } from "../bridge/mapping/compile-sheet.ts";
import { readSheet, readSheets, type SheetIssue } from "../bridge/mapping/sheet-file.ts";
import { completeEvent, previewSheet } from "../bridge/mapping/try-sheet.ts";
import { checkEvent, type SourceEvent } from "../bridge/model/event.ts";
import { isJsonObject, type Json, type JsonObject, jsonEqual } from "../bridge/values/json.ts";
import { endpoint } from "./endpoint.ts";
import { ProblemError } from "./problem.ts";
import { eventId, timeOut, triedPacket } from "./schemas.ts";
import { triedOf } from "./serialize.ts";

/** Trying a sheet against recorded events ends here, with what was tried so far. ms */
const maxTryMs = 5_000;

const sheetName = z.string().regex(/^[\w.-]{1,100}$/, "is no sheet's name");
const sheetText = z.string().min(1).max(65_536).describe("The sheet's YAML.");
const anyEvent = z
  .custom<JsonObject>(isJsonObject, "is not an object")
  .meta({ type: "object", additionalProperties: true })
  .describe("A source event; id, source and time may be left out.");

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

const fault = z.object({ line: z.int(), message: z.string() });

const listSheets = endpoint({
  method: "get",
  path: "/api/sheets",
  id: "listSheets",
  summary: "The mapping sheets in force",
  answer: z.object({ items: z.array(sheetView) }),
  run: ({ ops: { engine } }) => ({ items: engine.sheets().sheets.map(viewOf) }),
});

const getSheet = endpoint({
  method: "get",
  path: "/api/sheets/{name}",
  id: "getSheet",
  summary: "One sheet, with its text",
  params: z.strictObject({ name: sheetName }),
  answer: sheetView.extend({ text: z.string().describe("YAML, without the sheet's examples and comments.") }),
  problems: ["missing"],
  run({ ops: { engine }, params: { name } }) {
    const sheet = sheetCalled(engine, name);
    return sheet instanceof ProblemError ? sheet : { ...viewOf(sheet), text: stringify(sheet.document) };
  },
});

const checkSheet = endpoint({
  method: "post",
  path: "/api/sheets/check",
  id: "checkSheet",
  summary: "Checks a sheet's text as the bridge would on taking it up, and runs its examples; nothing is taken up",
  body: z.strictObject({ name: sheetName.default("proposed"), text: sheetText }),
  answer: z.object({
    ok: z.boolean(),
    faults: z.array(fault),
    warnings: z.array(fault),
    examples: z.array(z.object({ name: z.string(), faults: z.array(z.string()) })),
  }),
  async run({ ops: { engine }, body: { name, text } }) {
    const file = { file: `${name}.yaml`, text };
    const { faults, warnings, examples } = await readSheets([file], engine.catalog, engine.sheets().policy);
    return {
      ok: faults.length === 0,
      faults: faults.map(placed),
      warnings: warnings.map(placed),
      examples: examples.map(({ example, faults }) => ({ name: example, faults: [...faults] })),
    };
  },
});

const packets = z.array(triedPacket);

const trySheetOperation = endpoint({
  method: "post",
  path: "/api/sheets/try",
  id: "trySheet",
  summary: "Says which packets a sheet would make, of one event or of the last recorded ones, beside today's sheet",
  body: z
    .strictObject({
      name: sheetName.describe("The sheet in force it is compared with, if there is one of that name."),
      text: sheetText.optional().describe("The proposed sheet; if not given, the one in force is tried."),
      event: anyEvent.optional(),
      last: z.int().min(1).max(200).optional().describe("Or so many of the last recorded events of its types."),
    })
    .refine(({ event, last }) => (event === undefined) !== (last === undefined), "takes one of event and last"),
  answer: z.object({
    looked: z.int(),
    changed: z.int().describe("Events of which the proposed sheet makes other packets than today's."),
    complete: z.boolean().describe("Whether all events that were asked for were tried: it ends after some seconds."),
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
    const inForce = engine.sheets().sheets.find((sheet) => sheet.name === name);
    const proposed = text === undefined ? sheetCalled(engine, name) : proposedIn(name, text);
    if (proposed instanceof ProblemError) return proposed;
    const given = event === undefined ? undefined : checkEvent(completeEvent(event));
    if (given?.kind === "malformed") return new ProblemError("refused", `The event is none: ${given.reason}`);
    const events = given ? [{ event: given.event }] : await lastEvents(engine, proposed, last ?? 1);
    const until = engine.clock.now() + maxTryMs;
    const tried: Awaited<ReturnType<typeof tryOne>>[] = [];
    for (const one of events) {
      if (engine.clock.now() > until) break;
      tried.push(await tryOne(engine, { today: inForce, proposed }, one));
      await engine.clock.sleep(0);
    }
    const changed = tried.filter(({ same }) => !same).length;
    return { looked: tried.length, changed, complete: tried.length === events.length, events: tried };
  },
});

export const sheetOperations = [listSheets, getSheet, checkSheet, trySheetOperation];

function sheetCalled(engine: Engine, name: string): Sheet | ProblemError {
  const sheet = engine.sheets().sheets.find((one) => one.name === name);
  return sheet ?? new ProblemError("missing", "No sheet in force is called so; the list of sheets names them.");
}

function proposedIn(name: string, text: string): Sheet | ProblemError {
  const reading = readSheet(`${name}.yaml`, text);
  if (reading.ok) return reading.sheet;
  const faults = reading.faults.map(({ line, message }) => ({ where: `text line ${line}`, what: message }));
  return new ProblemError("refused", "The proposed sheet is faulty; mend it first.", { faults });
}

interface PreviewedEvent {
  readonly id?: string;
  readonly accepted?: number;
  readonly event: SourceEvent;
}

async function lastEvents({ store }: Engine, { sourceEvents }: Sheet, last: number): Promise<PreviewedEvent[]> {
  const found = await Promise.all(sourceEvents.map((type) => store.events({ type, newestFirst: true, limit: last })));
  return found
    .flat()
    .sort((a, b) => b.value.accepted - a.value.accepted)
    .slice(0, last)
    .flatMap(({ key, value: { event, accepted } }) => (event ? [{ id: key, accepted, event }] : []));
}

async function tryOne(
  engine: Engine,
  sheets: { readonly today: Sheet | undefined; readonly proposed: Sheet },
  { id, accepted, event }: PreviewedEvent,
) {
  const { policy } = engine.sheets();
  const at = accepted === undefined ? engine.clock.now() : Math.floor(accepted / 1_000);
  const [today, proposed] = await Promise.all([
    sheets.today ? previewSheet(sheets.today, event, { policy, nowMs: at }) : [],
    previewSheet(sheets.proposed, event, { policy, nowMs: at }),
  ]);
  return {
    ...(id !== undefined && { id }),
    type: event.type,
    ...(accepted !== undefined && { acceptedAt: timeOut(at) }),
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

function placed({ line, message }: SheetIssue): z.input<typeof fault> {
  return { line, message };
}
