import type { SourceEvent } from "../model/event.ts";
import type { Reader } from "../values/field-path.ts";
import { isJsonObject, type Json, type JsonObject, jsonEqual } from "../values/json.ts";
import type { FieldPlan, Target } from "./compile-sheet.ts";
import { ExpressionError } from "./expression.ts";
import type { Match } from "./match-targets.ts";

/** What one target should hear about one entity, in the target's words and not yet vetted. */
export interface MappedPayload extends Match {
  readonly entity: string;
  /** Which element of a roster it is about. */
  readonly element?: number;
  /** Where in its roster's file the element begins. bytes */
  readonly at?: number;
  /** Flat: a dot in a name nests on the wire. */
  readonly fields: JsonObject;
  /** Why it cannot go as it is; it is recorded all the same and waits for a person. */
  readonly fault?: string;
}

/** One element of a roster: what it holds, or why that cannot be said. */
export type Element =
  | { readonly number: number; readonly value: Json; readonly at?: number }
  | { readonly number: number; readonly fault: string };

/**
 * Maps an event for one target: a parcel an entity, or none where nothing changed.
 *
 * Fields absent from the event are absent from the parcel, null stays null. With `send: changed`, a field whose given
 * previous value equals the new one is left out.
 *
 * Errors are parcels with a `fault`, so that the other elements of a roster go their way.
 *
 * @param nowMs what `$now()` answers in a sheet: the time of acceptance
 * @param elements those of its roster this is about; if not said, all that stand in the event
 */
export function mapEvent(
  event: SourceEvent,
  match: Match,
  nowMs: number,
  elements: readonly Element[] | undefined = rosterOf(event, match),
): MappedPayload[] | Promise<MappedPayload[]> {
  const { target } = match;
  if (match.fault !== undefined) return [faulty(match, entityOf(event, match), match.fault)];
  if (!target.forEach) {
    const entity = entityOf(event, match);
    return target.plain
      ? payloadsOf(match, entity, renamed(event.data, target))
      : computed(event, event.data, match, entity, nowMs);
  }
  if (!elements) {
    const what = target.ndjson ? "is read from its file, which is not at hand" : "is not an array in the event";
    return [faulty(match, `event ${event.id}`, `for_each: ${target.forEachPath} ${what}`)];
  }
  if (!target.plain) return mapElements(event, match, elements, nowMs);
  return elements.flatMap((element) => {
    const record = recordIn(match, element);
    const parcels = "fault" in record ? [record] : payloadsOf(match, record.entity, renamed(record.data, target));
    return numbered(parcels, element);
  });
}

/**
 * The elements in the event that a target has a packet each for; `undefined` where it takes the event as one, where a
 * file has them, or where what it names is no array.
 *
 * @param from only from this one on, up to `to`, exclusive
 */
export function rosterOf(event: SourceEvent, match: Match, from = 0, to?: number): Element[] | undefined {
  return arrayOf(event, match)
    ?.slice(from, to)
    .map((value, i) => ({ number: from + i, value }));
}

/** How many elements stand in the event. */
export function rosterSize(event: SourceEvent, match: Match): number | undefined {
  return arrayOf(event, match)?.length;
}

function arrayOf(event: SourceEvent, { target }: Match): Json[] | undefined {
  const elements = target.ndjson ? undefined : target.forEach?.(event.data);
  return Array.isArray(elements) ? elements : undefined;
}

async function mapElements(
  event: SourceEvent,
  match: Match,
  elements: readonly Element[],
  nowMs: number,
): Promise<MappedPayload[]> {
  const parcels: MappedPayload[] = [];
  for (const element of elements) {
    const record = recordIn(match, element);
    const mapped = "fault" in record ? [record] : await computed(event, record.data, match, record.entity, nowMs);
    parcels.push(...numbered(mapped, element));
  }
  return parcels;
}

function numbered(parcels: readonly MappedPayload[], { number, ...element }: Element): MappedPayload[] {
  const at = "at" in element && element.at !== undefined ? { at: element.at } : {};
  return parcels.map((parcel) => ({ ...parcel, element: number, ...at }));
}

function payloadsOf(match: Match, entity: string, fields: JsonObject): MappedPayload[] {
  const { target } = match;
  if (target.send === "full") {
    const missing = target.fields.find((field) => !Object.hasOwn(fields, field.to));
    if (missing) return [faulty(match, entity, `send: full needs ${missing.from}, which the event does not give`)];
  }
  if (Object.keys(fields).length === 0 && target.action === "upsert") return [];
  return [{ ...match, entity, fields: withFixed(fields, target) }];
}

function withFixed(fields: JsonObject, target: Target): JsonObject {
  return Object.assign(fields, target.set);
}

/** The fast path: names change, values do not. */
export function renamed(record: JsonObject, target: Target): JsonObject {
  const fields: JsonObject = {};
  for (const field of target.fields) {
    const value = field.read(record);
    if (value === undefined || isUnchanged(field, value, record, target)) continue;
    fields[field.to] = value;
  }
  return fields;
}

async function computed(
  event: SourceEvent,
  record: JsonObject,
  match: Match,
  entity: string,
  nowMs: number,
): Promise<MappedPayload[]> {
  const { target } = match;
  const fields: JsonObject = {};
  for (const field of target.fields) {
    const value = field.read(record);
    if (value === undefined || isUnchanged(field, value, record, target)) continue;
    // Null clears, and no expression is asked about it.
    if (!field.with || value === null) {
      fields[field.to] = value;
      continue;
    }
    try {
      const bindings = { event: event as unknown as JsonObject, data: event.data, element: record };
      const result = await field.with.evaluate(value, nowMs, bindings);
      if (result !== undefined) fields[field.to] = result;
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      return [faulty(match, entity, `${field.from}: ${error.message}`)];
    }
  }
  return payloadsOf(match, entity, fields);
}

function isUnchanged(field: FieldPlan, value: Json, record: JsonObject, target: Target): boolean {
  if (target.send === "full" || target.action === "delete") return false;
  for (const previous of field.previous) {
    const before = previous(record);
    if (before !== undefined) return jsonEqual(before, value);
  }
  return false;
}

/** The record that changed: the sheet's key, else the subject, else `data.id`, else one record for the whole sheet. */
function entityOf(event: SourceEvent, { sheet, target }: Match): string {
  const fromTarget = target.key && scalar(read(target.key, event));
  const fromSheet = sheet.key && scalar(read(sheet.key, event));
  return fromTarget ?? fromSheet ?? event.subject ?? scalar(event.data.id) ?? sheet.name;
}

/** A key may be written from the event's top (`data.policyId`, `subject`) or from its data (`policyId`). */
function read(key: Reader, event: SourceEvent): Json | undefined {
  return key(event.data) ?? key(event as unknown as JsonObject);
}

function recordIn(
  match: Match,
  element: Element,
): { entity: string; data: JsonObject } | (MappedPayload & { fault: string }) {
  const where = placeOf(match, element.number);
  if ("fault" in element) return faulty(match, where, `${where} ${element.fault}`);
  if (!isJsonObject(element.value)) return faulty(match, where, `${where} is not an object`);
  const entity = scalar(match.target.key ? match.target.key(element.value) : element.value.id);
  return entity === undefined
    ? faulty(
        match,
        where,
        `${where} has no ${match.target.keyPath ?? "id"}; "key:" must name a field every element has`,
      )
    : { entity, data: element.value };
}

/** An element as one finds it: `data.people[3]`, or the fourth line of the file that `data.rosterUri` names. */
export function placeOf({ target }: Match, number: number): string {
  return target.ndjson ? `${target.forEachPath} line ${number + 1}` : `${target.forEachPath}[${number}]`;
}

function scalar(value: Json | undefined): string | undefined {
  if (typeof value === "string") return value === "" ? undefined : value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : undefined;
}

/** What cannot be mapped, for a person to look at. */
export function faulty(match: Match, entity: string, fault: string): MappedPayload & { fault: string } {
  return { ...match, entity, fields: {}, fault };
}
