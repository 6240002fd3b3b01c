import type { Engine } from "../engine.ts";
import { onlyTargets } from "../mapping/sheet-set.ts";
import { acceptanceOf } from "../model/acceptance.ts";
import type { JobRef } from "../model/job.ts";
import type { Packet } from "../model/packet.ts";
import type { Transition } from "../recording/transitions.ts";
import { recordKey } from "../values/record-key.ts";
import { expand } from "./expand.ts";
import { type Plan, plan } from "./plan.ts";

/** An event and the target for which to map it. */
interface RemapPlan {
  readonly key: string;
  /** `sheet.target` */
  readonly target: string;
  readonly by: JobRef | undefined;
  /** Time at which targets must be in force, in ms since the epoch. */
  readonly at: number;
}

/**
 * Returns a function that maps a packet's recorded event again with the current sheets.
 *
 * The function caches the plan of each event, so create one per page of packets.
 *
 * @param at time at which targets must be in force, in ms since the epoch
 */
export function remapper(
  engine: Engine,
  by: JobRef | undefined,
  at: number,
): (packet: Packet) => Promise<Transition | undefined> {
  const plans = new Map<string, Promise<Plan | undefined>>();
  return async (packet) => {
    const target = `${packet.sheet}.${packet.target}`;
    const planKey = `${packet.event} ${target}`;
    const planning = plans.get(planKey) ?? planFor(engine, { key: packet.event, target, by, at });
    plans.set(planKey, planning);
    const planned = await planning;
    return planned && packetIn(engine, planned, packet);
  };
}

async function planFor(engine: Engine, { key, target, by, at }: RemapPlan): Promise<Plan | undefined> {
  const [stored] = await engine.store.read("event", [key]);
  if (!stored?.value.event) return undefined;
  const { event, rosters = [] } = stored.value;
  const sheets = onlyTargets(engine.sheets().byType.get(event.type) ?? [], [target]);
  return plan(engine, { key, event, acceptance: acceptanceOf(stored.value) }, sheets, {
    at,
    known: rosters,
    ...(by && { by }),
  });
}

/**
 * Returns the packet that the current sheet creates for the same entity, or `undefined` if it creates none. A packet
 * that could not be mapped may have no entity of its own; the packet for its element is then returned.
 */
async function packetIn(
  engine: Engine,
  planned: Plan,
  { entity, element, at, action, fields }: Packet,
): Promise<Transition | undefined> {
  const options = element === undefined ? {} : { element: { number: element, ...(at !== undefined && { at }) } };
  const transitions = await expand(engine, planned, options);
  const sameEntity = transitions.find(({ record }) => recordKey(record.packet.entity) === recordKey(entity));
  const wasUnmapped = action === "upsert" && Object.keys(fields).length === 0;
  return sameEntity ?? (wasUnmapped && transitions.length === 1 ? transitions[0] : undefined);
}
