import { isJsonObject, isPrototypeKey, type Json, type JsonObject } from "./json.ts";

/** Reads one place in a record; `undefined` when it is absent. */
export type Reader = (record: JsonObject) => Json | undefined;

/**
 * Says what is wrong with a dotted path, or nothing.
 *
 * A path is names joined by dots: `employee.address.zip`. Names may hold anything but dots, and not the names that
 * reach an object's prototype.
 */
export function pathFault(path: string): string | undefined {
  for (const name of path.split(".")) {
    if (name === "") return `"${path}" has an empty name between its dots`;
    if (isPrototypeKey(name)) return `"${path}" names "${name}", which is not a field`;
  }
  return undefined;
}

/** Compiles a dotted path. Only own properties are seen, so `toString` or `constructor` are absent like any other. */
export function reader(path: string): Reader {
  const names = path.split(".");
  const [first] = names;
  if (names.length === 1 && first !== undefined) {
    return (record) => (Object.hasOwn(record, first) ? record[first] : undefined);
  }
  return (record) => {
    let here: Json | undefined = record;
    for (const name of names) {
      if (typeof here !== "object" || here === null || !Object.hasOwn(here, name)) return undefined;
      here = (here as JsonObject)[name];
    }
    return here;
  };
}

/**
 * Turns flat fields into the body a target expects: `{"address.zip": "1"}` becomes `{address: {zip: "1"}}`.
 *
 * Packets keep their fields flat, so that order and sameness are judged a leaf at a time; only the wire is nested.
 */
export function nest(fields: JsonObject): JsonObject {
  const body: JsonObject = {};
  for (const [path, value] of Object.entries(fields)) {
    const names = path.split(".");
    const last = names.pop() as string;
    let here = body;
    for (const name of names) {
      const inner = Object.hasOwn(here, name) ? here[name] : undefined;
      if (isJsonObject(inner)) {
        here = inner;
      } else {
        const made: JsonObject = {};
        here[name] = made;
        here = made;
      }
    }
    here[last] = value as Json;
  }
  return body;
}
