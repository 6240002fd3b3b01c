import { expand, type Maker, type Plan, plan } from "./expand.ts";
import type { Packet } from "./pack.ts";
import type { Engine } from "./ports.ts";
import { onlyTargets } from "./sheets.ts";
import type { Stepped } from "./step.ts";

/**
 * Maps recorded events again with today's sheets, a packet at a time. What many packets of one event share is worked
 * out once, so make one for each page.
 *
 * @param at ms since the epoch: when it is judged which targets are in force
 */
export function remapper(engine: Engine, by: Maker, at: number): (packet: Packet) => Promise<Stepped | undefined> {
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

async function planFor(engine: Engine, key: string, target: string, by: Maker, at: number): Promise<Plan | undefined> {
  const [stored] = await engine.store.read("event", [key]);
  const { event, accepted, rosters = [] } = stored?.value ?? {};
  if (!event || accepted === undefined) return undefined;
  const sheets = onlyTargets(engine.sheets().byType.get(event.type) ?? [], [target]);
  return plan(engine, { key, event, accepted }, sheets, { at, by, known: rosters });
}

/** What today's sheet makes of the same record of the event; nothing where it makes nothing of it, or of another. */
async function packetIn(engine: Engine, planned: Plan, { entity, element, at }: Packet): Promise<Stepped | undefined> {
  const one = element === undefined ? {} : { element: { number: element, ...(at !== undefined && { at }) } };
  const steps = await expand(engine, planned, one);
  return steps.find(({ record }) => record.packet.entity === entity);
}
