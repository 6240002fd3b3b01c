import { isJsonObject, isPrototypeKey, type Json, type JsonObject } from "./json.ts";

/** Reads one field of a record; `undefined` if it is absent. */
export type Reader = (record: JsonObject) => Json | undefined;

/**
 * Checks a dotted path such as `employee.address.zip`.
 *
 * A name may contain any character except a dot. It must not be empty or refer to an object's prototype.
 *
 * @returns a message, or `undefined` if the path is valid
 */
export function pathIssue(path: string): string | undefined {
  for (const name of path.split(".")) {
    if (name === "") return `"${path}" has an empty name between its dots`;
    if (isPrototypeKey(name)) return `"${path}" contains "${name}", which is not allowed as a field name`;
  }
  return undefined;
}

/** Compiles a dotted path. Inherited properties such as `toString` and `constructor` read as absent. */
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
 * Nests flat fields for a target's request body: `{"address.zip": "1"}` becomes `{address: {zip: "1"}}`.
 *
 * Packets keep their fields flat, so that versions and equality are compared per leaf.
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
        const created: JsonObject = {};
        here[name] = created;
        here = created;
      }
    }
    here[last] = value as Json;
  }
  return body;
}
