import { type Catalog, connectorId } from "../model/connector.ts";
import { jsonEqual } from "../values/json.ts";
import type { PlacedIssue, Sheet, Target } from "./compile-sheet.ts";

/** A sheet with the text that names a place in it. */
export interface PlacedSheet {
  readonly sheet: Sheet;
  /** Returns the name of a place for a message: `mappings/per_diem.yaml:7`, or the file and the path. */
  readonly placeOf: (path: readonly PropertyKey[]) => string;
}

/** Two targets of two sheets that write the same field of one connector. */
export interface Overlap extends PlacedIssue {
  /** The later of the two sheets, which the path belongs to. */
  readonly sheet: Sheet;
  /** True if nothing keeps the two apart, so that one event makes both write the field of one record. */
  readonly isCertain: boolean;
}

/** One target of a sheet and its connector. */
interface PlacedTarget extends PlacedSheet {
  readonly target: Target;
  readonly id: string;
  readonly path: readonly PropertyKey[];
}

/** A field that a target writes: its name, its place in the sheet, and its value if that is fixed. */
interface WrittenField {
  readonly name: string;
  readonly path: readonly PropertyKey[];
  readonly fixed?: Target["set"][string];
}

/**
 * Finds the fields that two sheets write for events of one type.
 *
 * Both packets of such an event are equally new, so if their values differ, neither may win.
 */
export function sheetOverlaps(sheets: readonly PlacedSheet[], catalog: Catalog): Overlap[] {
  const byConnector = Map.groupBy(
    sheets.flatMap((placed) => placedTargets(placed, catalog)),
    ({ id }) => id,
  );
  return [...byConnector.values()].flatMap((targets) =>
    targets.flatMap((later, i) => targets.slice(0, i).flatMap((earlier) => overlapOf(later, earlier))),
  );
}

function placedTargets(placed: PlacedSheet, catalog: Catalog): PlacedTarget[] {
  return placed.sheet.targets.flatMap((target) => {
    const found = target.publish === undefined ? catalog.find(target.connector) : { issue: "" };
    if ("issue" in found) return [];
    return [{ ...placed, target, id: connectorId(found.connector), path: ["targets", target.name] }];
  });
}

function overlapOf(later: PlacedTarget, earlier: PlacedTarget): Overlap[] {
  // Two sheets of one name are an issue of their own.
  if (later.sheet.name === earlier.sheet.name) return [];
  const types = later.sheet.sourceEvents.filter((type) => earlier.sheet.sourceEvents.includes(type));
  if (types.length === 0 || areApart(later.target, earlier.target)) return [];
  const [found, other] = sharedFields(later, earlier);
  if (!found || !other) return [];

  const isConditional = later.sheet.when !== undefined || earlier.sheet.when !== undefined;
  const isCertain = !isConditional && recordOf(later) === recordOf(earlier);
  const place = `${earlier.placeOf(other.path)} (${earlier.sheet.name}.${earlier.target.name})`;
  const both = `${place} too, in ${later.id} for ${types.join(" and ")}`;
  const remedy = isCertain
    ? "let one sheet write it, or keep them apart with when:, or from: and until:"
    : "if one event makes both write it, with different values, the second packet is held";
  return [
    { sheet: later.sheet, path: found.path, message: `${found.name} is written by ${both}; ${remedy}`, isCertain },
  ];
}

/** Returns true if the periods of two targets have no moment in common. */
function areApart(a: Target, b: Target): boolean {
  const { from: fromA = Number.NEGATIVE_INFINITY, until: untilA = Number.POSITIVE_INFINITY } = a;
  const { from: fromB = Number.NEGATIVE_INFINITY, until: untilB = Number.POSITIVE_INFINITY } = b;
  return untilA <= fromB || untilB <= fromA;
}

/** Returns the first field of each that they share. A deletion writes every field of its record. */
function sharedFields(a: PlacedTarget, b: PlacedTarget): [WrittenField, WrittenField] | [] {
  const deletions = [a, b].filter(({ target }) => target.action === "delete").length;
  if (deletions > 0) return deletions === 2 ? [] : [wholeRecord(a), wholeRecord(b)];
  const others = writtenFields(b);
  for (const field of writtenFields(a)) {
    const other = others.find((candidate) => isShared(field, candidate));
    if (other) return [field, other];
  }
  return [];
}

function wholeRecord({ path }: PlacedTarget): WrittenField {
  return { name: "the whole record", path };
}

function writtenFields({ target, path }: PlacedTarget): WrittenField[] {
  return [
    ...target.fields.map(({ from, to }) => ({ name: to, path: [...path, "map", from] })),
    ...Object.entries(target.set).map(([name, fixed]) => ({ name, path: [...path, "set", name], fixed })),
  ];
}

/** Returns true if one field is the other or is inside it. The same fixed value from both is no contradiction. */
function isShared(a: WrittenField, b: WrittenField): boolean {
  if (a.name === b.name) return a.fixed === undefined || b.fixed === undefined || !jsonEqual(a.fixed, b.fixed);
  return a.name.startsWith(`${b.name}.`) || b.name.startsWith(`${a.name}.`);
}

/**
 * Returns a text that is the same for two targets that write the same record of an event. Different texts may still
 * mean the same record.
 */
function recordOf({ sheet, target }: PlacedTarget): string {
  const { forEachPath } = target;
  const key = target.keyPath ?? (forEachPath === undefined ? sheet.document.key : "id");
  return JSON.stringify([
    forEachPath?.replace(/^data\./, "") ?? null,
    (forEachPath === undefined ? key?.replace(/^data\./, "") : key) ?? null,
  ]);
}
