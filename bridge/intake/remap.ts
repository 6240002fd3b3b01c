import type { Engine } from "../engine.ts";
import { onlyTargets } from "../mapping/sheet-set.ts";
import type { JobRef } from "../model/job.ts";
import type { Packet } from "../model/packet.ts";
import type { Transition } from "../recording/transitions.ts";
import { expand } from "./expand.ts";
import { type Plan, plan } from "./plan.ts";

/**
 * Maps recorded events again with today's sheets, a packet at a time. What many packets of one event share is worked
 * out once, so make one for each page.
 *
 * @param at ms since the epoch: when it is judged which targets are in force
 */
export function remapper(
  engine: Engine,
  by: JobRef | undefined,
  at: number,
): (packet: Packet) => Promise<Transition | undefined> {
  const plans = new Map<string, Promise<Plan | undefined>>();
  return async (packet) => {
    const target = `${packet.sheet}.${packet.target}`;
    const place = `${packet.event} ${target}`;
    const known = plans.get(place) ?? planFor(engine, packet.event, target, by, at);
    plans.set(place, known);
    const planned = await known;
    return planned && packetIn(engine, planned, packet);
  };
}

async function planFor(
  engine: Engine,
  key: string,
  target: string,
  by: JobRef | undefined,
  at: number,
): Promise<Plan | undefined> {
  const [stored] = await engine.store.read("event", [key]);
  const { event, accepted, rosters = [] } = stored?.value ?? {};
  if (!event || accepted === undefined) return undefined;
  const sheets = onlyTargets(engine.sheets().byType.get(event.type) ?? [], [target]);
  return plan(engine, { key, event, accepted }, sheets, { at, known: rosters, ...(by && { by }) });
}

/**
 * What today's sheet makes of the same record of the event; nothing where it makes nothing of it, or of another. What
 * could not be mapped may not even have had a name for its record: then it is what has become of its element.
 */
async function packetIn(
  engine: Engine,
  planned: Plan,
  { entity, element, at, action, fields }: Packet,
): Promise<Transition | undefined> {
  const one = element === undefined ? {} : { element: { number: element, ...(at !== undefined && { at }) } };
  const steps = await expand(engine, planned, one);
  const same = steps.find(({ record }) => record.packet.entity === entity);
  const wasUnmapped = action === "upsert" && Object.keys(fields).length === 0;
  return same ?? (wasUnmapped && steps.length === 1 ? steps[0] : undefined);
}
