import { verifyLedger } from "../../bridge/ledger/verify.ts";
import { eventKey, parseEvent } from "../../bridge/model/event.ts";
import { isClosed } from "../../bridge/model/ledger-entry.ts";
import type { Packet } from "../../bridge/model/packet.ts";
import type { PacketRecord } from "../../bridge/model/packet-record.ts";
import { compareVersions } from "../../bridge/model/version.ts";
import type { FoundEvent } from "../../bridge/ports/store.ts";
import type { JsonObject } from "../../bridge/values/json.ts";
import { fileOf } from "./inbox.ts";
import { packetsOf, planted, token } from "./plan.ts";
import type { Effect, SimTarget } from "./target.ts";
import type { World } from "./world.ts";

/** A violated guarantee. */
export interface Violation {
  readonly message: string;
  /** Id of the packet or key of the event concerned. */
  readonly subject?: string;
}

/** Checks a finished world against the guarantees. Returns an empty list if none is violated. */
export async function invariantViolations(world: World): Promise<Violation[]> {
  const packets = await world.core.packets();
  return [
    ...world.targets.flatMap(({ violations }) =>
      violations.filter((violation) => !isDecided(world, violation)).map(violationOf),
    ),
    ...(await accounting(world, packets)),
    ...(await openWork(world, packets)),
    ...(await ledger(world)),
    ...unrecordedMessages(world),
    ...world.runaways.map((message) => ({ message })),
    ...world.targets.flatMap((target) => [...staleFields(target, packets), ...unsentPackets(target, packets)]),
    ...world.targets.flatMap((target) => files(target, packets)),
    ...(await leaks(world)),
  ];
}

/** Returns true if an operator caused the violation: purged a queue, or released a packet that may have had its effect. */
function isDecided(world: World, { message, packet, after = "" }: SimTarget["violations"][number]): boolean {
  return world.purged.has(after) || (world.decided.has(packet) && message.endsWith(" effects"));
}

function violationOf({ message, packet }: SimTarget["violations"][number]): Violation {
  return { message, subject: packet };
}

/** Checks that every received event is counted and has the packets that its body requires. */
async function accounting(world: World, packets: readonly PacketRecord[]): Promise<Violation[]> {
  const { events, packets: counts } = await world.core.engine.store.tally();
  const violations: Violation[] = [];
  const seen = events.EXPANDED + events.EXPANDING + events.UNMATCHED + events.QUARANTINED + events.duplicates;
  const imported = (await world.core.engine.store.events({ limit: 10_000 })).filter(({ value }) => value.only);
  // A line that two jobs import at the same time counts as a duplicate.
  const duplicates = imported.reduce((sum, { value }) => sum + value.duplicates, 0);
  const received = world.emitted.length + imported.length + duplicates;
  if (seen !== received) violations.push({ message: `${received} events in, ${seen} accounted for` });
  const counted = Object.values(counts).reduce((a, b) => a + b, 0);
  if (counted !== packets.length)
    violations.push({ message: `${packets.length} packets recorded, ${counted} counted` });

  const packetsByEvent = Map.groupBy(
    packets.filter(({ packet }) => packet.replayOf === undefined && packet.replaces === undefined),
    ({ packet }) => packet.event,
  );
  for (const body of new Set(world.emitted.map((one) => one.body))) {
    const parsed = parseEvent(body);
    if (parsed.kind === "malformed") continue;
    const key = eventKey(parsed.event);
    const expected = packetsOf(parsed.event);
    const found = packetsByEvent.get(key)?.length ?? 0;
    if (found !== expected)
      violations.push({ message: `an event became ${found} packets instead of ${expected}`, subject: key });
  }
  return [...violations, ...(await backfillViolations(world, imported, packetsByEvent))];
}

/** Checks that each line of a finished backfill has exactly one packet for each requested target, and no others. */
async function backfillViolations(
  world: World,
  imported: readonly FoundEvent[],
  packetsByEvent: ReadonlyMap<string, readonly PacketRecord[]>,
): Promise<Violation[]> {
  const jobs = await world.core.engine.store.read(
    "job",
    world.backfills.map(({ job }) => job),
  );
  const violations: Violation[] = [];
  const events = Map.groupBy(imported, ({ value }) => value.event?.id);
  const requests = world.backfills.flatMap(({ lines, targets }, i) =>
    lines
      .filter((line) => line !== "{")
      .flatMap((line) => {
        const { id } = JSON.parse(line) as { id: string };
        return targets.map((target) => ({ id, target, isDone: jobs[i]?.value.status === "DONE" }));
      }),
  );
  for (const [id, ofEvent] of Map.groupBy(requests, (request) => request.id)) {
    const keys = (events.get(id) ?? []).map(({ key }) => key);
    const packets = keys.flatMap((key) => packetsByEvent.get(key) ?? []);
    const found = packets.map(({ packet }) => `${packet.sheet}.${packet.target}`);
    const requested = new Set(ofEvent.map(({ target }) => target));
    const due = new Set(ofEvent.filter(({ isDone }) => isDone).map(({ target }) => target));
    const subject = keys[0] ?? "";
    if (new Set(found).size !== found.length)
      violations.push({ message: `${id} was backfilled twice to one target`, subject });
    if (found.some((target) => !requested.has(target)))
      violations.push({ message: `${id} was backfilled to a target that was not requested`, subject });
    for (const target of due) {
      if (!found.includes(target)) violations.push({ message: `${id} was not backfilled to ${target}` });
    }
  }
  return violations;
}

/** Checks that only held packets are open, each for a reason that this world can cause. */
async function openWork(world: World, packets: readonly PacketRecord[]): Promise<Violation[]> {
  const violations: Violation[] = [];
  const waiting = await world.blockedByHeldHeads();
  for (const { packet, progress } of packets) {
    if (isClosed(progress.status) || waiting.has(packet.id)) continue;
    // Only producers that emit their sequences out of order make packets late here.
    if (progress.late && packet.version.sequence !== undefined) continue;
    const message =
      progress.status === "HELD" ? unexpectedHold(world, packet.connector, progress.reason) : "is still open";
    if (message)
      violations.push({ message: `${message}: ${progress.status} ${progress.reason ?? ""}`, subject: packet.id });
  }
  for (const { value } of await world.core.engine.store.jobs({ limit: 1_000 })) {
    if (value.status === "RUNNING") violations.push({ message: `job ${value.id} is still running` });
  }
  return violations;
}

const expectedReasons = [
  /^answered 422$/,
  /^governance blocks note|^governance blocks remark/,
  /has the same key twice/,
];
const unknowns = /may have (landed|reached the target)/;
const expired = /^it failed for 24 h while its target was up/;

function unexpectedHold(world: World, connector: string, reason = ""): string | undefined {
  if (expectedReasons.some((known) => known.test(reason)) || expired.test(reason)) return undefined;
  const target = world.targets.find(({ id }) => id === connector);
  return unknowns.test(reason) && !target?.idempotent ? undefined : "is held for an unexpected reason";
}

async function ledger(world: World): Promise<Violation[]> {
  const { fault } = await verifyLedger(world.core.engine);
  if (!fault) return [];
  return [{ message: `the ledger: ${fault.message}`, ...("chain" in fault && { subject: fault.chain }) }];
}

/** Checks that no packet was queued before it was recorded. */
function unrecordedMessages(world: World): Violation[] {
  const found = world.core.lines.some(({ step }) => step === "unknown-message");
  return found ? [{ message: "a lane delivered a message of a packet that was not recorded" }] : [];
}

/** Checks that each field at a target ends with the newest value sent to it. */
function staleFields(target: SimTarget, packets: readonly PacketRecord[]): Violation[] {
  if (target.fake.connector.order === "strict") return [];
  const violations: Violation[] = [];
  const edited = new Set(packets.flatMap(({ packet }) => (packet.edited ? (packet.replaces ?? []) : [])));
  const relevant = packets.filter(
    ({ packet, progress }) =>
      packet.connector === target.id &&
      ((isClosed(progress.status) && progress.status !== "DISCARDED" && !edited.has(packet.id)) ||
        target.effectsOf.has(packet.id)),
  );
  for (const [entity, ofEntity] of Map.groupBy(relevant, ({ packet }) => packet.entity)) {
    if (hasNoOrder(ofEntity)) continue;
    const held: JsonObject = target.state.get(entity) ?? {};
    const newestFirst = ofEntity.map(({ packet }) => packet).sort((a, b) => compareVersions(b.version, a.version));
    const doubtful = packets
      .filter(
        ({ packet, progress }) => packet.connector === target.id && packet.entity === entity && isDoubtful(progress),
      )
      .map(({ packet }) => packet);
    const names = new Set(newestFirst.flatMap(({ fields }) => Object.keys(fields)));
    for (const name of names) {
      const newest = newestFirst.find(({ action, fields }) => action === "delete" || Object.hasOwn(fields, name));
      // While a newer packet that may have landed is held, no older one is sent.
      if (!newest || doubtful.some(({ version }) => compareVersions(version, newest.version) > 0)) continue;
      const ties = newestFirst.filter((packet) => isTie(packet, newest));
      if (newest.action === "upsert") {
        const matches = ({ action, fields }: Packet) =>
          action === "delete" || JSON.stringify(fields[name]) === JSON.stringify(held[name]);
        if (ties.some(matches)) continue;
        const message = `${entity}.${name} ends as ${JSON.stringify(held[name])}, the newest is ${JSON.stringify(newest.fields[name])}`;
        violations.push({ message: `${target.id}: ${message}`, subject: newest.id });
      } else if (newest === newestFirst[0] && target.state.has(entity) && ties.every(isDeletion)) {
        violations.push({
          message: `${target.id}: ${entity} still exists, although its deletion is the newest change`,
          subject: newest.id,
        });
        break;
      }
    }
  }
  return violations;
}

/**
 * Returns true if no order of all packets agrees with the comparison of each two. That is so for some records of which the
 * changes have times of wrong clocks: each two are comparable, but not all of them.
 */
function hasNoOrder(packets: readonly PacketRecord[]): boolean {
  const sorted = packets.map(({ packet }) => packet.version).sort(compareVersions);
  return sorted.some((version, i) => sorted.slice(i + 1).some((newer) => compareVersions(version, newer) > 0));
}

function isDeletion({ action }: Packet): boolean {
  return action === "delete";
}

/** Finds packets whose events were accepted in the same microsecond: neither is newer, and the last one sent remains. */
function isTie(a: Packet, b: Packet): boolean {
  return compareVersions({ ...a.version, revision: 0 }, { ...b.version, revision: 0 }) === 0;
}

/** Finds held packets of which this or an earlier attempt may have landed, even if an operator discarded them. */
function isDoubtful({ status, reason = "", tries }: PacketRecord["progress"]): boolean {
  if (status === "DISCARDED") return tries > 0;
  return status === "HELD" && (unknowns.test(reason) || expired.test(reason) || tries > 1);
}

/** Checks that every packet with status `SENT` has had its effect. */
function unsentPackets(target: SimTarget, packets: readonly PacketRecord[]): Violation[] {
  return packets
    .filter(({ packet, progress }) => packet.connector === target.id && progress.status === "SENT")
    .filter(({ packet }) => !target.effectsOf.has(packet.id))
    .map(({ packet }) => ({ message: `${target.id}: is SENT but never reached the target`, subject: packet.id }));
}

/** Checks that files are numbered without gaps, except those of held packets, and each contains one whole packet. */
function files({ inbox, effects, id }: SimTarget, packets: readonly PacketRecord[]): Violation[] {
  const found = inbox?.visible() ?? [];
  const violations: Violation[] = [];
  const held = packets.filter(({ packet, progress }) => packet.connector === id && progress.status === "HELD").length;
  const last = Number(/\d+/.exec(found.at(-1)?.name ?? "0")?.[0]);
  if (last - found.length > held)
    violations.push({ message: `${id}: ${last} numbers, ${found.length} files, ${held} held` });
  for (const { name, bytes } of found) {
    const number = Number(/\d+/.exec(name)?.[0]);
    const isWhole = ({ packet }: Effect) => fileOf(packet, number).bytes.equals(bytes);
    if (effects.filter(isWhole).length !== 1)
      violations.push({ message: `${id}: ${name} does not match exactly one packet` });
  }
  return violations;
}

/** Checks that log and ledger contain no personal data and no secret, and that no target received blocked data. */
async function leaks(world: World): Promise<Violation[]> {
  const written = JSON.stringify([world.core.lines, await world.core.entries()]);
  const sent = JSON.stringify(world.targets.map(({ fake }) => fake.calls));
  return [
    ...[...planted, token]
      .filter((value) => written.includes(value))
      .map((value) => ({ message: `the log or ledger contains ${value}` })),
    ...planted.filter((value) => sent.includes(value)).map((value) => ({ message: `${value} left unvetted` })),
  ];
}
