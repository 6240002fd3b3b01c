import type { PacketRecord } from "../../bridge/model/packet-record.ts";
import type { Json } from "../../bridge/values/json.ts";
import { type Claim, claimsFor, compareClaims, endOf, isWrongClock } from "./claims.ts";
import type { Violation } from "./oracle.ts";
import { isMixed } from "./plan.ts";
import type { SimTarget } from "./target.ts";
import type { World } from "./world.ts";

/** A record at a target, or a strict lane, which can hold several records, with everything that it is judged by. */
export interface Case {
  readonly target: SimTarget;
  /** Names of the records. */
  readonly records: readonly string[];
  readonly claims: readonly Claim[];
  /** The packets about these records that operators see, except those of which a repetition is the latest word. */
  readonly packets: readonly PacketRecord[];
  readonly world: World;
}

/** A reason for which a case is not judged. */
export interface Exemption {
  readonly words: string;
  readonly applies: (one: Case) => boolean;
}

const held: Exemption = {
  words: "a packet is held, so a person has not decided yet what the target gets",
  applies: ({ packets }) => packets.some(({ progress }) => progress.status === "HELD"),
};

const decided: Exemption = {
  words: "a person discarded or edited a packet, or released one that may have reached the target before",
  applies: ({ packets, world }) => packets.some(({ packet }) => world.decided.has(packet.id)),
};

const mixed: Exemption = {
  words: "producers with and without own times write the record, which a documented rule orders",
  applies: ({ records }) => records.some(isMixed),
};

const wrongClock: Exemption = {
  words: "a producer's clock is more than five minutes ahead of the bridge's, of which one must be wrong",
  applies: ({ claims }) => isWrongClock(claims),
};

const backfilled: Exemption = {
  words: "a snapshot was backfilled, whose lines are not emits",
  applies: ({ records, world }) =>
    world.backfills.some(({ lines }) => lines.some((line) => records.some((record) => line.includes(`"${record}"`)))),
};

/** The only reasons for which the end of a record need not be what its producers said last. */
export const recordExemptions: readonly Exemption[] = [held, decided, mixed, wrongClock, backfilled];

/** The only reasons for which a strict lane need not get every change in its producers' order. */
export const laneExemptions: readonly Exemption[] = [held, decided, backfilled];

/**
 * Judges a finished world by the words of its producers and the histories of its targets alone. Knows neither positions in
 * the order of acceptance nor versions nor shadows. Of the bridge, it believes only what operators see: which packets wait
 * for a decision of theirs.
 */
export async function contradictions(world: World, without?: Exemption): Promise<Violation[]> {
  const packets = await world.core.packets();
  return world.targets.flatMap((target) => {
    const own = packets.filter(({ packet }) => packet.connector === target.id);
    const claims = claimsFor(target.fake.connector.name, world.emitted);
    const caseOf = (records: readonly string[]): Case => ({
      ...{ target, records, world },
      claims: claims.filter(({ record }) => records.includes(record)),
      packets: own.filter(({ packet }) => records.includes(packet.entity)),
    });
    const records = [...new Set(claims.map(({ record }) => record))];
    const isJudged = (one: Case, reasons: readonly Exemption[]) =>
      !reasons.some((reason) => reason !== without && reason.applies(one));
    if (target.fake.connector.order === "latest") {
      const cases = records.map((record) => caseOf([record])).filter((one) => isJudged(one, recordExemptions));
      return cases.flatMap((one) => [...wrongEnds(one), ...repeatedEffects(one)]);
    }
    const lanes = target.fake.connector.lane === "connector" ? [records] : records.map((record) => [record]);
    const cases = lanes.map(caseOf).filter((one) => isJudged(one, laneExemptions));
    return cases.flatMap((one) => [...wrongOrder(one), ...missingEffects(one), ...repeatedEffects(one)]);
  });
}

function wrongEnds({ target, records: [record = ""], claims }: Case): Violation[] {
  const expected = endOf(claims);
  const held = target.state.get(record);
  const names = new Set([...Object.keys(expected ?? {}), ...Object.keys(held ?? {})]);
  names.delete("note");
  names.delete("remark");
  // A late deletion cannot delete a record that was created again. It sets the fields that only the old one had to null.
  const hasDeletion = claims.some(({ action }) => action === "delete");
  const shown = (value: Json | undefined) => JSON.stringify(hasDeletion ? (value ?? null) : value);
  const wrong = [...names].filter((name) => shown(held?.[name]) !== shown(expected?.[name]));
  const subject = claims.toSorted(compareClaims).at(-1)?.event ?? "";
  return wrong.map((name) => {
    const [is, should] = [held?.[name], expected?.[name]].map((value) => JSON.stringify(value));
    return { message: `${target.id}: ${record}.${name} ends as ${is}; its producers said ${should} last`, subject };
  });
}

/** Checks that a strict lane got its producers' changes in their order. Only the first effect of each change counts. */
function wrongOrder({ target, records, claims }: Case): Violation[] {
  const seen = new Set<Claim>();
  for (const { packet } of target.effects) {
    const claim = claims.find(({ event, record }) => event === packet.event && record === packet.entity);
    if (claim && records.includes(packet.entity)) seen.add(claim);
  }
  const history = [...seen];
  return history.flatMap((later, i) => {
    const overtaken = history.slice(0, i).find((earlier) => isOlder(later, earlier));
    const message = `${target.id}: ${later.record} got a change after one that its producer made later`;
    return overtaken ? [{ message, subject: later.event }] : [];
  });
}

/** Returns true if `a` belongs before `b` in a strict lane. A sequence and no sequence are not compared. */
function isOlder(a: Claim, b: Claim): boolean {
  if (a.sequence === undefined && b.sequence === undefined) return a.emitted < b.emitted;
  return a.source === b.source && (a.sequence ?? Infinity) < (b.sequence ?? -Infinity);
}

/** Checks that a strict target got every change. */
function missingEffects({ target, claims }: Case): Violation[] {
  return claims
    .filter(
      ({ event, record }) => !target.effects.some(({ packet }) => packet.event === event && packet.entity === record),
    )
    .map(({ event, record }) => ({ message: `${target.id}: ${record} never got a change`, subject: event }));
}

/** Checks that a target was changed at most once by each change, except by the replays that an operator started. */
function repeatedEffects({ target, claims, world }: Case): Violation[] {
  if (target.fake.connector.order === "latest" && target.idempotent) return [];
  const allowed = 1 + world.replays;
  return claims.flatMap(({ event, record }) => {
    const effects = target.effects.filter(({ packet }) => packet.event === event && packet.entity === record);
    const message = `${target.id}: one change of ${record} had ${effects.length} effects`;
    return effects.length > allowed ? [{ message, subject: event }] : [];
  });
}
