import { deliver } from "../../../bridge/delivery/deliver.ts";
import { accept } from "../../../bridge/intake/accept.ts";
import { runJobs } from "../../../bridge/jobs/job-runner.ts";
import { verifyLedger } from "../../../bridge/ledger/verify.ts";
import { runMaintenance } from "../../../bridge/maintenance/run-maintenance.ts";
import type { Packet } from "../../../bridge/model/packet.ts";
import type { JsonObject } from "../../../bridge/values/json.ts";
import type { Effect } from "../target.ts";
import type { Lab } from "./lab.ts";
import { acknowledge } from "./observed-queue.ts";

/**
 * Time within which the bridge must be at rest after the last fault: two expiries of a message (180 s each), the age at
 * which the watchdog requeues (120 s), one redrive (600 s) and the first delays, with some room.
 */
const restMs = 30 * 60_000;

/** Lets all work finish without faults and returns what violates the guarantees. */
export async function violationsAtRest(lab: Lab): Promise<string[]> {
  const violations = await rest(lab);
  if (lab.kind.finally) {
    await lab.kind.finally(lab.engine);
    violations.push(...(await rest(lab)));
  }
  return [...new Set([...violations, ...(await violationsOf(lab))])];
}

async function rest(lab: Lab): Promise<string[]> {
  const { clock, engine } = lab;
  const end = clock.now() + restMs;
  for (let round = 0; await hasOpenWork(lab); round++) {
    if (clock.now() > end) return [`is not at rest after ${restMs / 60_000} min: ${await statuses(lab)}`];
    await runMaintenance(engine);
    await drain(lab);
    let pages = 2;
    void runJobs(engine, () => pages-- > 0);
    await clock.advance(round < 5 ? 1_000 : 30_000);
  }
  return [];
}

/** Processes both queues until none has a visible message. */
async function drain(lab: Lab): Promise<void> {
  const { engine, target } = lab;
  const { queue, times } = engine;
  const connector = { ...target.fake.connector, send: async (packet: Packet) => lab.answer(packet) };
  const worker = { connector, owner: "rest", acquire: async () => () => {} };
  for (const name of ["inbox", `lane:${target.id}`] as const) {
    for (;;) {
      const messages = await queue.receive(name, { max: 10, visibilityMs: times.visibilityMs, waitMs: 0 });
      if (messages.length === 0) break;
      const work = name === "inbox" ? accept(engine, messages) : deliver(engine, worker, messages);
      await acknowledge(engine, name, await work);
    }
  }
}

async function hasOpenWork({ engine, target }: Lab): Promise<boolean> {
  const { store } = engine;
  for (const name of ["inbox", `lane:${target.id}`, `outbox:${target.id}`] as const) {
    const { waiting, inFlight } = await engine.queue.depth(name);
    if (waiting + inFlight > 0) return true;
  }
  if ((await store.unsentEvents({ to: Number.MAX_SAFE_INTEGER, limit: 1 })).items.length > 0) return true;
  if ((await store.jobs({ running: true, limit: 1 })).length > 0) return true;
  const { packets } = await store.tally();
  if (packets.RETRY > 0) return true;
  // Packets behind a held head wait for an operator.
  return packets.QUEUED > 0 && !(packets.HELD > 0 && target.fake.connector.order === "strict");
}

async function statuses({ engine }: Lab): Promise<string> {
  const { items } = await engine.store.packets({ limit: 100 });
  return items.map(({ progress }) => `${progress.status} ${progress.reason ?? ""}`).join(", ");
}

/** The second oracle: it compares with what the kind expects and believes neither versions nor the shadow. */
async function violationsOf(lab: Lab): Promise<string[]> {
  const { engine, target, kind } = lab;
  const { end, inOrder, held = 0 } = kind.expected;
  // A full packet that was overtaken sends the newer values of others with its own, which its version does not show.
  const violations = target.violations.map(({ message }) => message).filter((text) => !text.includes("went back"));
  const state = target.state.get("r1");
  if (canonical(state) !== canonical(end))
    violations.push(`ends as ${JSON.stringify(state)} instead of ${JSON.stringify(end)}`);
  const effects = effectsOnRecord(lab);
  const values = effects.map(({ packet }) => packet.fields.a).filter((value) => typeof value === "number");
  if (inOrder && JSON.stringify(values) !== JSON.stringify(inOrder))
    violations.push(`received ${values} instead of ${inOrder}`);
  violations.push(...backwardSteps(lab));
  const { packets } = await engine.store.tally();
  const open = packets.QUEUED + packets.RETRY + packets.HELD;
  if (open !== held) violations.push(`${open} packets are open instead of ${held}: ${await statuses(lab)}`);
  for (const [id, effects] of target.effectsOf) if (effects > 1) violations.push(`${id} had ${effects} effects`);
  const { fault } = await verifyLedger(engine);
  if (fault) violations.push(`the ledger: ${fault.message}`);
  return [...violations, ...(await sums(lab))];
}

/** Checks that every event and packet is counted, and that each packet's ledger ends with its status. */
async function sums({ engine, kind }: Lab): Promise<string[]> {
  const { store } = engine;
  const { events, packets } = await store.tally();
  const { duplicates, EXPANDED, EXPANDING, UNMATCHED, QUARANTINED } = events;
  // The first event is about another record; see `plain`.
  const emitted = 1 + kind.events + (kind.repeats ?? 0);
  const seen = EXPANDED + EXPANDING + UNMATCHED + QUARANTINED + duplicates;
  const violations = seen === emitted ? [] : [`${emitted} events in, ${seen} accounted for`];
  const { items } = await store.packets({ limit: 100 });
  const counted = Object.values(packets).reduce((sum, count) => sum + count, 0);
  if (counted !== items.length) violations.push(`${items.length} packets recorded, ${counted} counted`);
  for (const { packet, progress } of items) {
    const last = (await store.chain(packet.id)).at(-1)?.step;
    if (last !== progress.status) violations.push(`a packet is ${progress.status}, its ledger says ${last}`);
  }
  return violations;
}

/** Finds effects after which a field had an older value than before. The value of a field is the rank of its change. */
function backwardSteps(lab: Lab): string[] {
  const last = new Map<string, number>();
  const found: string[] = [];
  for (const { packet } of effectsOnRecord(lab)) {
    for (const [name, value] of Object.entries(packet.fields)) {
      if (typeof value !== "number") continue;
      const before = last.get(name) ?? value;
      if (value < before) found.push(`${name} went back from ${before} to ${value}`);
      last.set(name, value);
    }
  }
  return found;
}

function effectsOnRecord({ target }: Lab): readonly Effect[] {
  return target.effects.filter(({ packet }) => packet.entity === "r1");
}

function canonical(state: JsonObject | undefined): string {
  if (!state) return "none";
  const fields = Object.entries(state).filter(([, value]) => value !== null);
  return JSON.stringify(fields.sort(([one], [other]) => (one < other ? -1 : 1)));
}
