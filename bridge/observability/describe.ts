import type { LedgerEntry, Status } from "../model/ledger-entry.ts";
import type { Json } from "../values/json.ts";

/** Describes one ledger entry in words, for the CLI and the console. */
export function sentenceOf({ step, facts }: Pick<LedgerEntry, "step" | "facts">): string {
  const attempt = facts.tries === undefined ? "" : ` on attempt ${facts.tries}`;
  switch (step) {
    case "QUEUED":
      if (facts.act === "release") return `released${person(facts)}${rules(facts)}`;
      if (facts.place === "outbox")
        return `moved to the outbox${facts.tries === 0 ? " before any attempt" : attempt.replace(" on ", " after ")}`;
      if (facts.place === "behind") return `waits behind ${facts.head}, the oldest packet in its lane`;
      if (facts.place === "lane") return `requeued in its lane: ${facts.why}`;
      return `recorded with ${namesIn(facts)}${origin(facts)}${rules(facts)}; queued in its lane`;
    case "RETRY":
      return `not delivered${attempt}${http(facts)}; next attempt in ${inWords(Number(facts.waitMs))}`;
    case "HELD":
      return `held for an operator: ${facts.reason}${attempt}${http(facts)}${origin(facts)}${rules(facts)}`;
    case "SENT":
      return `delivered${attempt}${http(facts)} in ${facts.ms} ms${clearing(facts)}`;
    case "DISCARDED":
      return `discarded${person(facts)}`;
    case "UNCHANGED":
    case "SUPERSEDED":
      return `not sent: ${facts.reason ?? step.toLowerCase()}${person(facts)}`;
    case "EXPANDING":
    case "EXPANDED":
      if (facts.chunks !== undefined) return `split into ${counted(facts.chunks, "chunk")} because of its size`;
      return `created ${counted(facts.packets, "packet")}${facts.targets === undefined ? "" : ` for ${counted(facts.targets, "target")}`}`;
    case "UNMATCHED":
      return "no sheet matches it";
    case "QUARANTINED":
      return `quarantined: ${facts.reason}`;
    case "NOTED":
      return `${facts.type}${person(facts)}`;
    case "ERASED":
      return "payload erased after its retention time";
    case "DUPLICATE":
      return "received again; nothing changed";
  }
}

function counted(quantity: Json | undefined, noun: string): string {
  return quantity === 1 ? `1 ${noun}` : `${quantity} ${noun}s`;
}

function namesIn({ fields }: LedgerEntry["facts"]): string {
  return Array.isArray(fields) && fields.length > 0 ? fields.join(", ") : "no fields";
}

/** Names the packet that this one replaces or replays, the edited fields and the operator. Empty for a new packet. */
function origin(facts: LedgerEntry["facts"]): string {
  const { replaces, replayOf, changes } = facts;
  const what = replaces ? ` replacing ${replaces}` : replayOf ? ` replaying ${replayOf}` : "";
  const changed = Array.isArray(changes) ? changes.map((change) => (change as { field: string }).field) : [];
  const edited = changed.length > 0 ? ` with a changed ${changed.join(", ")}` : "";
  return what === "" ? "" : `,${what}${edited}${person(facts)}`;
}

/** Names the fields that a deletion cleared, if newer changes had been sent before it. */
function clearing({ cleared }: LedgerEntry["facts"]): string {
  return Array.isArray(cleared) ? `; cleared only ${cleared.join(", ")}, because the target holds something newer` : "";
}

function person({ actor, why }: LedgerEntry["facts"]): string {
  if (actor === undefined) return "";
  return `, by ${actor}${why === undefined ? "" : `: ${why}`}`;
}

function http({ http: status }: LedgerEntry["facts"]): string {
  return status === undefined ? "" : ` (HTTP ${status})`;
}

function rules({ governance }: LedgerEntry["facts"]): string {
  const decisions = (governance ?? []) as { field: string; action: string; rule: string }[];
  if (decisions.length === 0) return "";
  return `; governance: ${decisions.map(({ field, action, rule }) => `${action} ${field} (${rule})`).join(", ")}`;
}

/** State of a packet, for display. */
export interface Standing {
  readonly id: string;
  readonly status: Status;
  readonly target: string;
  /** Address at the target, as `<target>@<at>`. */
  readonly at?: string | undefined;
  readonly roundTripMs?: number | undefined;
  /** Time of the next attempt, in ms since the epoch. */
  readonly nextTryAt?: number | undefined;
  /** End of the current attempt's lease, in ms since the epoch. */
  readonly sendingUntil?: number | undefined;
  readonly reason?: string | undefined;
}

/** Formats a packet's state: `pkt-… → SENT payroll@/v2/rates  (4 ms)`, `… → RETRY payroll  (retry in 2 s: answered 503)`. */
export function standingLine(packet: Standing, now: number): string {
  return `${packet.id} → ${standing(packet, now)}`;
}

/** Formats a packet's state without its id. */
export function standing({ status, target, at, ...packet }: Standing, now: number): string {
  const detail = status === "SENT" ? roundTrip(packet) : waitingFor(packet, now);
  return `${status} ${target}${at === undefined ? "" : `@${at}`}${detail === "" ? "" : `  (${detail})`}`;
}

function roundTrip({ roundTripMs }: Pick<Standing, "roundTripMs">): string {
  return roundTripMs === undefined ? "" : `${roundTripMs} ms`;
}

function waitingFor({ nextTryAt, sendingUntil, reason }: Omit<Standing, "status" | "target">, now: number): string {
  const next = nextTryAt === undefined ? undefined : nextTryAt > now ? `retry in ${inWords(nextTryAt - now)}` : "due";
  const sending =
    sendingUntil !== undefined && (sendingUntil > now ? "being sent" : "an attempt was interrupted; another follows");
  return [next ?? sending, reason].filter(Boolean).join(": ");
}

/** Rounds a duration to one unit: `3 s`, `10 min`, `2 h`. */
export function inWords(ms: number): string {
  if (ms < 0) return "0 s";
  if (ms < 1_000) return `${Math.ceil(ms)} ms`;
  if (ms < 90_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 5_400_000) return `${Math.round(ms / 60_000)} min`;
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} d`;
}
