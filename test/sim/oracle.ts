import { verifyLedger } from "../../bridge/ledger/verify.ts";
import { eventKey, parseEvent } from "../../bridge/model/event.ts";
import { isClosed } from "../../bridge/model/ledger-entry.ts";
import { compareVersions, type Packet } from "../../bridge/model/packet.ts";
import type { PacketRecord } from "../../bridge/model/packet-record.ts";
import type { FoundEvent } from "../../bridge/ports/store.ts";
import type { JsonObject } from "../../bridge/values/json.ts";
import { fileOf } from "./inbox.ts";
import { packetsOf, planted, token } from "./plan.ts";
import type { Effect, SimTarget } from "./target.ts";
import type { World } from "./world.ts";

/** A promise that was not kept, and the packet or event it is about. */
export interface Broken {
  readonly law: string;
  readonly about?: string;
}

/** Holds what has happened against what is promised. Empty where every promise was kept. */
export async function invariantViolations(world: World): Promise<Broken[]> {
  const packets = await world.core.packets();
  return [
    ...world.targets.flatMap(({ broken }) => broken.filter(({ after = "" }) => !world.purged.has(after)).map(lawOf)),
    ...(await sums(world, packets)),
    ...(await atRest(world, packets)),
    ...(await ledger(world)),
    ...strays(world),
    ...world.endless.map((law) => ({ law })),
    ...world.targets.flatMap((target) => [...newestWins(target, packets), ...truthful(target, packets)]),
    ...world.targets.flatMap((target) => files(target, packets)),
    ...(await secrecy(world)),
  ];
}

function lawOf({ law, packet }: SimTarget["broken"][number]): Broken {
  return { law, about: packet };
}

/** Events received are events accounted for, and each has become the packets its body asks for. */
async function sums(world: World, packets: readonly PacketRecord[]): Promise<Broken[]> {
  const { events, packets: counts } = await world.core.engine.store.tally();
  const broken: Broken[] = [];
  const seen = events.EXPANDED + events.EXPANDING + events.UNMATCHED + events.QUARANTINED + events.duplicates;
  const brought = (await world.core.engine.store.events({ limit: 10_000 })).filter(({ value }) => value.only);
  // A line that two jobs bring at once came twice.
  const twice = brought.reduce((sum, { value }) => sum + value.duplicates, 0);
  const received = world.emitted.length + brought.length + twice;
  if (seen !== received) broken.push({ law: `${received} events in, ${seen} accounted for` });
  const counted = Object.values(counts).reduce((a, b) => a + b, 0);
  if (counted !== packets.length) broken.push({ law: `${packets.length} packets recorded, ${counted} counted` });

  const made = Map.groupBy(
    packets.filter(({ packet }) => packet.replayOf === undefined && packet.replaces === undefined),
    ({ packet }) => packet.event,
  );
  for (const body of new Set(world.emitted)) {
    const arrival = parseEvent(body);
    if (arrival.kind === "malformed") continue;
    const key = eventKey(arrival.event);
    const wanted = packetsOf(arrival.event);
    const found = made.get(key)?.length ?? 0;
    if (found !== wanted) broken.push({ law: `an event became ${found} packets instead of ${wanted}`, about: key });
  }
  return [...broken, ...(await filledBack(world, brought, made))];
}

/** Each line of a back-fill that is over became a packet for each of its targets, however often it came; no other did. */
async function filledBack(
  world: World,
  brought: readonly FoundEvent[],
  made: ReadonlyMap<string, readonly PacketRecord[]>,
): Promise<Broken[]> {
  const jobs = await world.core.engine.store.read(
    "job",
    world.backfills.map(({ job }) => job),
  );
  const broken: Broken[] = [];
  const events = Map.groupBy(brought, ({ value }) => value.event?.id);
  const goals = world.backfills.flatMap(({ lines, targets }, i) =>
    lines
      .filter((line) => line !== "{")
      .flatMap((line) => {
        const { id } = JSON.parse(line) as { id: string };
        return targets.map((target) => ({ id, target, isDone: jobs[i]?.value.status === "DONE" }));
      }),
  );
  for (const [id, about] of Map.groupBy(goals, (goal) => goal.id)) {
    const keys = (events.get(id) ?? []).map(({ key }) => key);
    const packets = keys.flatMap((key) => made.get(key) ?? []);
    const found = packets.map(({ packet }) => `${packet.sheet}.${packet.target}`);
    const asked = new Set(about.map(({ target }) => target));
    const due = new Set(about.filter(({ isDone }) => isDone).map(({ target }) => target));
    if (new Set(found).size !== found.length) broken.push({ law: `${id} was filled back twice`, about: keys[0] ?? "" });
    if (found.some((target) => !asked.has(target)))
      broken.push({ law: `${id} went where nobody asked`, about: keys[0] ?? "" });
    for (const target of due) {
      if (!found.includes(target)) broken.push({ law: `${id} was not filled back to ${target}` });
    }
  }
  return broken;
}

/** Nothing is open but what a person must decide, for a reason this world has given. */
async function atRest(world: World, packets: readonly PacketRecord[]): Promise<Broken[]> {
  const broken: Broken[] = [];
  const waiting = await world.waitingForAPerson();
  for (const { packet, progress } of packets) {
    if (isClosed(progress.status) || waiting.has(packet.id)) continue;
    const law = progress.status === "HELD" ? heldWrongly(world, packet.connector, progress.reason) : "is still open";
    if (law) broken.push({ law: `${law}: ${progress.status} ${progress.reason ?? ""}`, about: packet.id });
  }
  for (const { value } of await world.core.engine.store.jobs({ limit: 1_000 })) {
    if (value.status === "RUNNING") broken.push({ law: `job ${value.id} is still running` });
  }
  return broken;
}

const reasons = [/^answered 422$/, /^governance blocks note|^governance blocks remark/, /names the same record twice/];
const unknowns = /may have (begun|landed)/;
const expired = /^it failed for 24 h while its target was up/;

function heldWrongly(world: World, connector: string, reason = ""): string | undefined {
  if (reasons.some((known) => known.test(reason)) || expired.test(reason)) return undefined;
  const target = world.targets.find(({ id }) => id === connector);
  return unknowns.test(reason) && !target?.idempotent ? undefined : "is held for no good reason";
}

async function ledger(world: World): Promise<Broken[]> {
  const { fault } = await verifyLedger(world.core.engine);
  if (!fault) return [];
  return [{ law: `the ledger: ${fault.message}`, ...("chain" in fault && { about: fault.chain }) }];
}

/** No packet was put on a queue before it was in the table. */
function strays(world: World): Broken[] {
  const found = world.core.lines.some(({ step }) => step === "unknown-message");
  return found ? [{ law: "a lane gave a message of a packet that was not recorded" }] : [];
}

/** Each field at a target ends with the newest value that went there. */
function newestWins(target: SimTarget, packets: readonly PacketRecord[]): Broken[] {
  if (target.fake.connector.order === "strict") return [];
  const broken: Broken[] = [];
  const counting = packets.filter(
    ({ packet, progress }) =>
      packet.connector === target.id && (isClosed(progress.status) || target.effectsOf.has(packet.id)),
  );
  for (const [entity, about] of Map.groupBy(counting, ({ packet }) => packet.entity)) {
    const held: JsonObject = target.state.get(entity) ?? {};
    const newestFirst = about.map(({ packet }) => packet).sort((a, b) => compareVersions(b.version, a.version));
    const doubtful = packets
      .filter(
        ({ packet, progress }) => packet.connector === target.id && packet.entity === entity && isDoubtful(progress),
      )
      .map(({ packet }) => packet);
    const names = new Set(newestFirst.flatMap(({ fields }) => Object.keys(fields)));
    for (const name of names) {
      const newest = newestFirst.find(({ action, fields }) => action === "delete" || Object.hasOwn(fields, name));
      // A newer one that may have landed waits for a person: until then nothing older goes.
      if (!newest || doubtful.some(({ version }) => compareVersions(version, newest.version) > 0)) continue;
      const asNew = newestFirst.filter((packet) => isTie(packet, newest));
      if (newest.action === "upsert") {
        const fits = ({ action, fields }: Packet) =>
          action === "delete" || JSON.stringify(fields[name]) === JSON.stringify(held[name]);
        if (asNew.some(fits)) continue;
        const law = `${entity}.${name} ends as ${JSON.stringify(held[name])}, the newest is ${JSON.stringify(newest.fields[name])}`;
        broken.push({ law: `${target.id}: ${law}`, about: newest.id });
      } else if (newest === newestFirst[0] && target.state.has(entity) && asNew.every(isDeletion)) {
        broken.push({ law: `${target.id}: ${entity} is still there, and was deleted last`, about: newest.id });
        break;
      }
    }
  }
  return broken;
}

function isDeletion({ action }: Packet): boolean {
  return action === "delete";
}

/** Two processes stamped two events in the same µs: neither is newer, and whichever is sent last stays. */
function isTie(a: Packet, b: Packet): boolean {
  return compareVersions({ ...a.version, revision: 0 }, { ...b.version, revision: 0 }) === 0;
}

/** Of a refused one an earlier try may have landed. */
function isDoubtful({ status, reason = "", tries }: PacketRecord["progress"]): boolean {
  return status === "HELD" && (unknowns.test(reason) || expired.test(reason) || tries > 1);
}

/** Every packet with status `SENT` has had its effect. */
function truthful(target: SimTarget, packets: readonly PacketRecord[]): Broken[] {
  return packets
    .filter(({ packet, progress }) => packet.connector === target.id && progress.status === "SENT")
    .filter(({ packet }) => !target.effectsOf.has(packet.id))
    .map(({ packet }) => ({ law: `${target.id}: is SENT and never came`, about: packet.id }));
}

/** Files are numbered without a gap, and each holds another packet, whole: but for the numbers of packets that are held. */
function files({ inbox, effects, id }: SimTarget, packets: readonly PacketRecord[]): Broken[] {
  const found = inbox?.visible() ?? [];
  const broken: Broken[] = [];
  const held = packets.filter(({ packet, progress }) => packet.connector === id && progress.status === "HELD").length;
  const last = Number(/\d+/.exec(found.at(-1)?.name ?? "0")?.[0]);
  if (last - found.length > held) broken.push({ law: `${id}: ${last} numbers, ${found.length} files, ${held} held` });
  for (const { name, bytes } of found) {
    const number = Number(/\d+/.exec(name)?.[0]);
    const isWhole = ({ packet }: Effect) => fileOf(packet, number).bytes.equals(bytes);
    if (effects.filter(isWhole).length !== 1) broken.push({ law: `${id}: ${name} is no packet's, or not whole` });
  }
  return broken;
}

/** No personal data and no secret in a log line or the ledger, and none of what governance keeps back at a target. */
async function secrecy(world: World): Promise<Broken[]> {
  const written = JSON.stringify([world.core.lines, await world.core.entries()]);
  const sent = JSON.stringify(world.targets.map(({ fake }) => fake.calls));
  return [
    ...[...planted, token].filter((value) => written.includes(value)).map((value) => ({ law: `tells ${value}` })),
    ...planted.filter((value) => sent.includes(value)).map((value) => ({ law: `${value} left unvetted` })),
  ];
}
