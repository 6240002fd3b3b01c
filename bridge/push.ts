import { prepare } from "./accept.ts";
import { mapEvent } from "./map.ts";
import { match } from "./match.ts";
import { versionOf } from "./pack.ts";
import { pinSheets } from "./pinned.ts";
import type { Engine } from "./ports.ts";
import { sendUnsent } from "./queueing.ts";
import type { Sheet } from "./sheet.ts";

/**
 * Sends a recorded event through a sheet made in code: the same mapping, vetting, recording and order as a sheet of the
 * folder. Pushing the same event again makes no new packet.
 *
 * @returns the packets' ids; none where the sheet finds nothing changed
 */
export async function push(engine: Engine, eventKey: string, sheet: Sheet): Promise<string[]> {
  const [stored] = await engine.store.read("event", [eventKey]);
  const event = stored?.value.event;
  if (!stored || !event) throw new Error(`${eventKey} is not recorded; emit the event first`);
  await pinSheets(engine, [sheet]);
  const { accepted } = stored.value;
  const acceptedMs = Math.floor(accepted / 1_000);
  const origin = { key: eventKey, type: event.type, version: versionOf(event, accepted).version };
  const seen = new Set<string>();
  const ids: string[] = [];
  for (const found of await match(event, [sheet], acceptedMs)) {
    for (const parcel of await mapEvent(event, found, acceptedMs)) {
      const { record, entry } = prepare(engine, parcel, origin, seen, { unsent: true });
      const { id } = record.packet;
      ids.push(id);
      const written = await engine.store.write([{ kind: "packet", id, value: record, etag: 0 }], [entry]);
      if (written === "written") await sendUnsent(engine, { value: record, etag: 1 });
    }
  }
  return ids;
}
