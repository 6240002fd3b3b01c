import type { Engine } from "../engine.ts";
import type { Sheet } from "../mapping/compile-sheet.ts";
import { acceptanceOf } from "../model/acceptance.ts";
import { sendUnsent } from "../recording/enqueue.ts";
import { newPut } from "../recording/transaction-size.ts";
import { expand } from "./expand.ts";
import { pinSheets } from "./pinned-sheets.ts";
import { plan } from "./plan.ts";

/**
 * Sends a recorded event through a sheet built in code. Mapping, governance, recording and order are the same as for a
 * sheet from the folder. Pushing the same event again creates no new packet.
 *
 * @returns the packets' ids; none if the event has no mapped field
 * @throws {Error} if the event is not recorded or its body was erased
 */
export async function push(engine: Engine, eventKey: string, sheet: Sheet): Promise<string[]> {
  const [stored] = await engine.store.read("event", [eventKey]);
  const event = stored?.value.event;
  if (!stored || !event) throw new Error(`${eventKey} is not recorded, or its body was erased; emit the event first`);
  await pinSheets(engine, [sheet]);
  const planned = await plan(engine, { key: eventKey, event, acceptance: acceptanceOf(stored.value) }, [sheet]);
  const transitions = await expand(engine, planned, { progress: { unsent: true } });
  for (const transition of transitions) {
    const written = await engine.store.write([newPut(transition)], [transition.entry]);
    if (written === "written") await sendUnsent(engine, [{ value: transition.record, etag: 1 }]);
  }
  return transitions.map(({ record }) => record.packet.id);
}
