import type { SourceEvent } from "../model/event.ts";
import type { Reader } from "../values/field-path.ts";
import { isJsonObject, type Json, type JsonObject, jsonEqual } from "../values/json.ts";
import { recordKey } from "../values/record-key.ts";
import type { FieldPlan, Target } from "./compile-sheet.ts";
import { ExpressionError } from "./expression.ts";
import type { Match } from "./match-targets.ts";

/** Mapped fields for one target and one entity, in the target's terms and not yet vetted. */
export interface MappedPayload extends Match {
  readonly entity: string;
  /** Index of the element in the roster. */
  readonly element?: number;
  /** Byte offset of the element in the roster's file. */
  readonly at?: number;
  /** Flat fields; a dot in a name means nesting in the request body. */
  readonly fields: JsonObject;
  /**
   * Names of fields whose previous value in the event equals the new one. They are part of the payload: the event's
   * previous value may never have reached this target. Delivery drops a field only if the target is known to hold it.
   */
  readonly unchanged?: readonly string[];
  /** Reason the packet is recorded as held. */
  readonly issue?: string;
}

/** One element of a roster: its value, or the reason it cannot be read. */
export type Element =
  | { readonly number: number; readonly value: Json; readonly at?: number }
  | { readonly number: number; readonly issue: string };

/**
 * Maps an event for one target. Returns one payload per entity, or none if the event has no mapped field.
 *
 * Fields absent from the event are absent from the payload, and null stays null.
 *
 * An element that cannot be mapped becomes a payload with an `issue`, so that the roster's other elements are still
 * sent.
 *
 * @param nowMs the result of `$now()` in a sheet: the time of acceptance in ms since the epoch
 * @param elements the elements of the roster to map; if omitted, all that are in the event
 */
export function mapEvent(
  event: SourceEvent,
  match: Match,
  nowMs: number,
  elements: readonly Element[] | undefined = rosterOf(event, match),
): MappedPayload[] | Promise<MappedPayload[]> {
  const { target } = match;
  if (match.issue !== undefined) return [heldPayload(match, entityOf(event, match), match.issue)];
  if (!target.forEach) {
    const entity = entityOf(event, match);
    return target.plain
      ? payloadsOf(match, entity, renameFields(event.data, target))
      : computePayloads(event, match, { entity, data: event.data }, nowMs);
  }
  if (!elements) {
    const what = target.ndjson ? "is read from its file, which is not given" : "is not an array in the event";
    return [heldPayload(match, `event ${event.id}`, `for_each: ${target.forEachPath} ${what}`)];
  }
  if (!target.plain) return mapElements(event, match, elements, nowMs);
  return elements.flatMap((element) => {
    const record = recordIn(match, element);
    const payloads = "issue" in record ? [record] : payloadsOf(match, record.entity, renameFields(record.data, target));
    return withElement(payloads, element);
  });
}

/**
 * Returns the elements of the roster in an event. `undefined` if the target has no `for_each`, if the elements are in a
 * file, or if the event has no such array.
 *
 * @param from index of the first element; `to` is the end, exclusive
 */
export function rosterOf(event: SourceEvent, match: Match, from = 0, to?: number): Element[] | undefined {
  return arrayOf(event, match)
    ?.slice(from, to)
    .map((value, i) => ({ number: from + i, value }));
}

/** Returns the number of elements of the roster in an event; `undefined` as for `rosterOf`. */
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
  const payloads: MappedPayload[] = [];
  for (const element of elements) {
    const record = recordIn(match, element);
    const mapped = "issue" in record ? [record] : await computePayloads(event, match, record, nowMs);
    payloads.push(...withElement(mapped, element));
  }
  return payloads;
}

function withElement(payloads: readonly MappedPayload[], { number, ...element }: Element): MappedPayload[] {
  const at = "at" in element && element.at !== undefined ? { at: element.at } : {};
  return payloads.map((payload) => ({ ...payload, element: number, ...at }));
}

/** Mapped fields of one record, and the names of those that the event says are unchanged. */
interface MappedFields {
  readonly fields: JsonObject;
  readonly unchanged: readonly string[];
}

function payloadsOf(match: Match, entity: string, { fields, unchanged }: MappedFields): MappedPayload[] {
  const { target } = match;
  if (target.send === "full") {
    const missing = target.fields.find((field) => !Object.hasOwn(fields, field.to));
    if (missing) return [heldPayload(match, entity, `send: full needs ${missing.from}, which the event does not have`)];
  }
  if (Object.keys(fields).length === 0 && target.action === "upsert") return [];
  const all = Object.assign(fields, target.set);
  return [{ ...match, entity, fields: all, ...(unchanged.length > 0 && { unchanged }) }];
}

/**
 * Returns the fields of a payload that a target gets if it already holds the previous values of the event, or
 * `undefined` if nothing is left but the sheet's fixed fields.
 */
export function changedFields({ target, fields, unchanged }: MappedPayload): JsonObject | undefined {
  if (!unchanged) return fields;
  const same = new Set(unchanged);
  const changed = Object.entries(fields).filter(([name]) => !same.has(name));
  const isFixed = ([name]: [string, Json]) => Object.hasOwn(target.set, name);
  return changed.every(isFixed) ? undefined : Object.fromEntries(changed);
}

/** Maps a record for a target without expressions: field names change, values do not. */
export function renameFields(record: JsonObject, target: Target): MappedFields {
  const fields: JsonObject = {};
  const unchanged: string[] = [];
  for (const field of target.fields) {
    const value = field.read(record);
    if (value === undefined) continue;
    fields[field.to] = value;
    if (isUnchanged(field, value, record, target)) unchanged.push(field.to);
  }
  return { fields, unchanged };
}

/** One entity and the data that is mapped for it: the event's, or an element of its roster. */
interface EntityData {
  readonly entity: string;
  readonly data: JsonObject;
}

async function computePayloads(
  event: SourceEvent,
  match: Match,
  { entity, data: record }: EntityData,
  nowMs: number,
): Promise<MappedPayload[]> {
  const { target } = match;
  const fields: JsonObject = {};
  const unchanged: string[] = [];
  for (const field of target.fields) {
    const value = field.read(record);
    if (value === undefined) continue;
    if (isUnchanged(field, value, record, target)) unchanged.push(field.to);
    // Null clears the target's field, without evaluating the expression.
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
      return [heldPayload(match, entity, `${field.from}: ${error.message}`)];
    }
  }
  return payloadsOf(match, entity, { fields, unchanged });
}

function isUnchanged(field: FieldPlan, value: Json, record: JsonObject, target: Target): boolean {
  if (target.send === "full" || target.action === "delete") return false;
  for (const previous of field.previous) {
    const before = previous(record);
    if (before !== undefined) return jsonEqual(before, value);
  }
  return false;
}

/** Returns the entity: the sheet's key, else the subject, else `data.id`, else one entity for the whole sheet. */
function entityOf(event: SourceEvent, { sheet, target }: Match): string {
  const fromTarget = target.key && scalar(read(target.key, event));
  const fromSheet = sheet.key && scalar(read(sheet.key, event));
  return fromTarget ?? fromSheet ?? scalar(event.subject) ?? scalar(event.data.id) ?? sheet.name;
}

/** Reads a key, whose path can start at the event (`data.policyId`, `subject`) or at its data (`policyId`). */
function read(key: Reader, event: SourceEvent): Json | undefined {
  return key(event.data) ?? key(event as unknown as JsonObject);
}

function recordIn(match: Match, element: Element): EntityData | (MappedPayload & { issue: string }) {
  const where = elementName(match, element.number);
  if ("issue" in element) return heldPayload(match, where, `${where} ${element.issue}`);
  if (!isJsonObject(element.value)) return heldPayload(match, where, `${where} is not an object`);
  const entity = scalar(match.target.key ? match.target.key(element.value) : element.value.id);
  return entity === undefined
    ? heldPayload(
        match,
        where,
        `${where} has no ${match.target.keyPath ?? "id"}; "key:" must name a field every element has`,
      )
    : { entity, data: element.value };
}

/** Describes an element in a message: `data.people[3]`, or `data.rosterUri line 4` for a line of a file. */
export function elementName({ target }: Match, number: number): string {
  return target.ndjson ? `${target.forEachPath} line ${number + 1}` : `${target.forEachPath}[${number}]`;
}

/** Returns a key as text, or `undefined` if the value is no key. Text of blanks only reads nothing, like "". */
function scalar(value: Json | undefined): string | undefined {
  if (typeof value === "string") return recordKey(value) === "" ? undefined : value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : undefined;
}

/** Creates a payload without fields for a record that cannot be mapped. Its packet is held. */
export function heldPayload(match: Match, entity: string, issue: string): MappedPayload & { issue: string } {
  return { ...match, entity, fields: {}, issue };
}
