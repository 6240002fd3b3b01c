import type { Engine } from "../engine.ts";
import type { Sheet } from "../mapping/compile-sheet.ts";
import { sendUnsent } from "../recording/enqueue.ts";
import { newPut } from "../recording/transaction-size.ts";
import { expand } from "./expand.ts";
import { pinSheets } from "./pinned-sheets.ts";
import { plan } from "./plan.ts";

/**
 * Sends a recorded event through a sheet made in code: the same mapping, vetting, recording and order as a sheet of the
 * folder. Pushing the same event again makes no new packet.
 *
 * @returns the packets' ids; none where the sheet finds nothing changed
 */
export async function push(engine: Engine, eventKey: string, sheet: Sheet): Promise<string[]> {
  const [stored] = await engine.store.read("event", [eventKey]);
  const event = stored?.value.event;
  if (!stored || !event) throw new Error(`${eventKey} is not recorded, or too old; emit the event first`);
  await pinSheets(engine, [sheet]);
  const planned = await plan(engine, { key: eventKey, event, accepted: stored.value.accepted }, [sheet]);
  const steps = await expand(engine, planned, { change: { unsent: true } });
  for (const stepped of steps) {
    const written = await engine.store.write([newPut(stepped)], [stepped.entry]);
    if (written === "written") await sendUnsent(engine, [{ value: stepped.record, etag: 1 }]);
  }
  return steps.map(({ record }) => record.packet.id);
}
