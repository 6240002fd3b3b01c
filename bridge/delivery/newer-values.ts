import type { Engine } from "../engine.ts";
import type { JsonObject } from "../values/json.ts";

/** Newer values of a packet's superseded fields, or the reason they are not known. */
type NewerValues = { readonly ok: true; readonly fields: JsonObject } | { readonly ok: false; readonly reason: string };

/**
 * Reads the newer values of fields from the packets that wrote them. These packets passed through governance.
 *
 * @param newer packets that wrote the values, by field
 */
export async function readNewerValues(
  engine: Engine,
  newer: ReadonlyMap<string, string | undefined>,
): Promise<NewerValues> {
  const ids = [...new Set([...newer.values()].filter((id) => id !== undefined))];
  const records = await engine.store.read("packet", ids);
  const packets = new Map(records.flatMap((stored) => (stored ? [[stored.value.packet.id, stored.value.packet]] : [])));
  const fields: JsonObject = {};
  for (const [name, id] of newer) {
    const written = id === undefined ? undefined : packets.get(id)?.fields;
    if (!written || !Object.hasOwn(written, name)) return { ok: false, reason: unknownReason(name, id) };
    fields[name] = written[name] ?? null;
  }
  return { ok: true, fields };
}

function unknownReason(name: string, id: string | undefined): string {
  const why = id === undefined ? "the bridge does not know which packet sent it" : `the values of ${id} were erased`;
  return `the target holds a newer ${name}, which must be sent along, but ${why}; discard this packet, and emit an event with all fields of the record`;
}
