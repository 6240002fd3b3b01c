import type { SourceEvent } from "./event.ts";
import { ExpressionFault } from "./expression.ts";
import { isJsonObject, type Json, type JsonObject, jsonEqual } from "./json.ts";
import type { Match } from "./match.ts";
import type { Reader } from "./path.ts";
import type { FieldPlan, Target } from "./sheet.ts";

/** What one target should hear about one entity, in the target's words and not yet vetted. */
export interface Parcel extends Match {
  readonly entity: string;
  /** Which element of a roster it is about. */
  readonly element?: number;
  /** Flat: a dot in a name nests on the wire. */
  readonly fields: JsonObject;
  /** Why it cannot go as it is; it is recorded all the same and waits for a person. */
  readonly fault?: string;
}

/**
 * Maps an event for one target: a parcel an entity, or none where nothing changed.
 *
 * Fields absent from the event are absent from the parcel, null stays null. With `send: changed`, a field whose given
 * previous value equals the new one is left out.
 *
 * Errors are parcels with a `fault`, so that the other elements of a roster go their way.
 *
 * @param nowMs what `$now()` answers in a sheet: the time of acceptance
 * @param part of a roster only these elements, to exclusive
 */
export function mapEvent(
  event: SourceEvent,
  match: Match,
  nowMs: number,
  part: Part = wholeRoster,
): Parcel[] | Promise<Parcel[]> {
  const { target } = match;
  if (match.fault !== undefined) return [faulty(match, entityOf(event, match), match.fault)];
  if (!target.forEach) {
    const entity = entityOf(event, match);
    return target.plain
      ? parcelsOf(match, entity, renamed(event.data, target))
      : computed(event, event.data, match, entity, nowMs);
  }
  const elements = rosterOf(event, match);
  if (!elements) {
    return [faulty(match, `event ${event.id}`, `for_each: ${target.forEachPath} is not an array in the event`)];
  }
  return target.plain
    ? elements.slice(part.from, part.to).flatMap((element, i) => {
        const record = elementOf(match, element, part.from + i);
        const parcels = "fault" in record ? [record] : parcelsOf(match, record.entity, renamed(record.data, target));
        return numbered(parcels, part.from + i);
      })
    : mapElements(event, match, elements.slice(part.from, part.to), part.from, nowMs);
}

/** Elements of a roster: from inclusive, to exclusive. */
export interface Part {
  readonly from: number;
  readonly to?: number;
}

const wholeRoster: Part = { from: 0 };

/** The elements a target has a packet each for; `undefined` where it takes the event as one, or what it names is no array. */
export function rosterOf(event: SourceEvent, { target }: Match): Json[] | undefined {
  const elements = target.forEach?.(event.data);
  return Array.isArray(elements) ? elements : undefined;
}

async function mapElements(
  event: SourceEvent,
  match: Match,
  elements: Json[],
  first: number,
  nowMs: number,
): Promise<Parcel[]> {
  const parcels: Parcel[] = [];
  for (const [i, element] of elements.entries()) {
    const record = elementOf(match, element, first + i);
    const mapped = "fault" in record ? [record] : await computed(event, record.data, match, record.entity, nowMs);
    parcels.push(...numbered(mapped, first + i));
  }
  return parcels;
}

function numbered(parcels: readonly Parcel[], element: number): Parcel[] {
  return parcels.map((parcel) => ({ ...parcel, element }));
}

function parcelsOf(match: Match, entity: string, fields: JsonObject): Parcel[] {
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
): Promise<Parcel[]> {
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
      if (!(error instanceof ExpressionFault)) throw error;
      return [faulty(match, entity, `${field.from}: ${error.message}`)];
    }
  }
  return parcelsOf(match, entity, fields);
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

function elementOf(
  match: Match,
  element: Json,
  i: number,
): { entity: string; data: JsonObject } | (Parcel & { fault: string }) {
  const where = `${match.target.forEachPath}[${i}]`;
  if (!isJsonObject(element)) return faulty(match, where, `${where} is not an object`);
  const entity = scalar(match.target.key ? match.target.key(element) : element.id);
  return entity === undefined
    ? faulty(
        match,
        where,
        `${where} has no ${match.target.keyPath ?? "id"}; "key:" must name a field every element has`,
      )
    : { entity, data: element };
}

function scalar(value: Json | undefined): string | undefined {
  if (typeof value === "string") return value === "" ? undefined : value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : undefined;
}

function faulty(match: Match, entity: string, fault: string): Parcel & { fault: string } {
  return { ...match, entity, fields: {}, fault };
}
