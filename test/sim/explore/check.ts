import { verifyLedger } from "../../../bridge/ledger/verify.ts";
import { runMaintenance } from "../../../bridge/maintenance/run-maintenance.ts";
import type { JsonObject } from "../../../bridge/values/json.ts";
import { invariantViolations } from "../../support/core.ts";
import type { Lab } from "./lab.ts";

/**
 * Time within which the bridge must be at rest after the last fault: two expiries of a message (180 s each), the age at
 * which the watchdog requeues (120 s), one redrive (600 s) and the first delays, with some room.
 */
const restMs = 30 * 60_000;

/** Lets all work finish without faults and returns what violates the guarantees. */
export async function violationsAtRest(lab: Lab): Promise<string[]> {
  const violations = await rest(lab);
  if (lab.kind.finally) {
    await lab.kind.finally(lab);
    violations.push(...(await rest(lab)));
  }
  return [...new Set([...violations, ...(await violationsOf(lab))])];
}

async function rest(lab: Lab): Promise<string[]> {
  const { core } = lab;
  const end = core.clock.now() + restMs;
  for (let round = 0; await hasOpenWork(lab); round++) {
    if (core.clock.now() > end) return [`is not at rest after ${restMs / 60_000} min: ${await statuses(lab)}`];
    await runMaintenance(core.engine);
    await core.run();
    await core.jobs();
    await core.clock.advance(round < 5 ? 1_000 : 30_000);
  }
  return [];
}

async function hasOpenWork({ core, lane, target }: Lab): Promise<boolean> {
  const { store } = core.engine;
  for (const queue of ["inbox", lane, `outbox:${target.id}`] as const) if ((await core.depth(queue)) > 0) return true;
  if ((await store.unsentEvents(Number.MAX_SAFE_INTEGER, 1)).length > 0) return true;
  if ((await store.jobs({ running: true, limit: 1 })).length > 0) return true;
  const { packets } = await store.tally();
  if (packets.RETRY > 0) return true;
  // Packets behind a held head wait for an operator.
  return packets.QUEUED > 0 && !(packets.HELD > 0 && target.fake.connector.order === "strict");
}

async function statuses({ core }: Lab): Promise<string> {
  return (await core.packets()).map(({ progress }) => `${progress.status} ${progress.reason ?? ""}`).join(", ");
}

/** The second oracle: it compares with what the kind expects and believes neither versions nor the shadow. */
async function violationsOf(lab: Lab): Promise<string[]> {
  const { core, target, kind } = lab;
  const { end, inOrder, held = 0 } = kind.expected;
  const violations = target.violations.map(({ message }) => message);
  const state = target.state.get("r1");
  if (canonical(state) !== canonical(end))
    violations.push(`ends as ${JSON.stringify(state)} instead of ${JSON.stringify(end)}`);
  const values = target.effects.map(({ packet }) => packet.fields.a).filter((value) => typeof value === "number");
  if (inOrder && JSON.stringify(values) !== JSON.stringify(inOrder))
    violations.push(`received ${values} instead of ${inOrder}`);
  violations.push(...backwardSteps(lab));
  const { packets } = await core.engine.store.tally();
  const open = packets.QUEUED + packets.RETRY + packets.HELD;
  if (open !== held) violations.push(`${open} packets are open instead of ${held}: ${await statuses(lab)}`);
  for (const [id, effects] of target.effectsOf) if (effects > 1) violations.push(`${id} had ${effects} effects`);
  const { fault } = await verifyLedger(core.engine);
  if (fault) violations.push(`the ledger: ${fault.message}`);
  const sums = await invariantViolations(core, kind.events + (kind.repeats ?? 0));
  return [...violations, ...sums];
}

/** Finds effects after which a field had an older value than before. The value of a field is the rank of its change. */
function backwardSteps({ target }: Lab): string[] {
  const last = new Map<string, number>();
  const found: string[] = [];
  for (const { packet } of target.effects) {
    for (const [name, value] of Object.entries(packet.fields)) {
      if (typeof value !== "number") continue;
      const before = last.get(name) ?? value;
      if (value < before) found.push(`${name} went back from ${before} to ${value}`);
      last.set(name, value);
    }
  }
  return found;
}

function canonical(state: JsonObject | undefined): string {
  if (!state) return "none";
  const fields = Object.entries(state).filter(([, value]) => value !== null);
  return JSON.stringify(fields.sort(([one], [other]) => (one < other ? -1 : 1)));
}
