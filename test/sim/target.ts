import { delivered, type Outcome, refused, retry } from "../../bridge/model/outcome.ts";
import { compareVersions, type Packet } from "../../bridge/model/packet.ts";
import type { JsonObject } from "../../bridge/values/json.ts";
import { type FakeOptions, fakeTarget } from "../support/core.ts";
import type { Inbox } from "./inbox.ts";
import { type Mood, moods } from "./mood.ts";

/** One effect a target has had. */
export interface Effect {
  readonly packet: Packet;
  /** ms since the epoch */
  readonly at: number;
}

/** An outside system that lives in the simulation, and notices where a promise to it is broken. */
export class SimTarget {
  readonly fake;
  readonly idempotent: boolean;
  mood: Mood = "well";
  /** State by entity. */
  readonly state = new Map<string, JsonObject>();
  /** Every effect it has had, in order. */
  readonly effects: Effect[] = [];
  readonly effectsOf = new Map<string, number>();
  /** Violations the target noticed itself, each with the packet concerned and the newer one it came after. */
  readonly broken: { readonly law: string; readonly packet: string; readonly after?: string }[] = [];
  /** Packets by idempotency key. */
  readonly #keys = new Map<string, Packet>();
  readonly #newest = new Map<string, Map<string, Packet>>();

  /** Inbox of a target that accepts files instead of calls. */
  readonly inbox: Inbox | undefined;

  constructor(options: FakeOptions, inbox?: Inbox) {
    this.inbox = inbox;
    this.fake = fakeTarget(options);
    this.idempotent = this.fake.connector.idempotent;
  }

  get id(): string {
    return this.fake.id;
  }

  /**
   * Takes a packet. A key it has seen has no second effect: what a repeat carries beyond the first try would be lost,
   * unless it is recorded already.
   */
  take(packet: Packet, key: string, at: number): void {
    const known = this.#keys.get(key);
    if (this.idempotent && known !== undefined) {
      const held = this.state.get(packet.entity);
      const lost = Object.entries(packet.fields).filter(
        ([name, value]) => !Object.hasOwn(known.fields, name) && JSON.stringify(held?.[name]) !== JSON.stringify(value),
      );
      if (lost.length > 0) this.tell(`a repeated key carried ${lost.map(([name]) => name)} for the first time`, packet);
      return;
    }
    this.#keys.set(key, packet);
    this.hasEffect(packet, at);
    if (packet.order === "latest") this.#goesForward(packet);
    if (packet.action === "delete") this.state.delete(packet.entity);
    else this.state.set(packet.entity, { ...this.state.get(packet.entity), ...packet.fields });
  }

  hasEffect(packet: Packet, at: number): void {
    this.effects.push({ packet, at });
    const times = (this.effectsOf.get(packet.id) ?? 0) + 1;
    this.effectsOf.set(packet.id, times);
    if (times > 1) this.tell(`it had ${times} effects`, packet);
  }

  /** Treatment of this call. */
  moodNow(fraction: () => number): Mood {
    return this.mood === "flapping" ? (moods[Math.floor(fraction() * (moods.length - 1))] as Mood) : this.mood;
  }

  #goesForward(packet: Packet): void {
    const newest = this.#newest.get(packet.entity) ?? new Map<string, Packet>();
    this.#newest.set(packet.entity, newest);
    const names = packet.action === "delete" ? [...newest.keys()] : Object.keys(packet.fields);
    for (const name of names) {
      const before = newest.get(name) ?? newest.get("");
      if (before && compareVersions(before.version, packet.version) > 0) {
        this.tell(`field ${name} went back`, packet, before);
      }
      newest.set(name, packet);
    }
    // A deletion counts for the fields that come later, too.
    if (packet.action === "delete") newest.set("", packet);
  }

  tell(law: string, packet: Packet, after?: Packet): void {
    this.broken.push({ law: `${this.id}: ${law}`, packet: packet.id, ...(after && { after: after.id }) });
  }

  isAwake(fraction: () => number): boolean {
    if (this.mood === "flapping") return fraction() < 0.5;
    return ["well", "refusing", "losing", "throttling", "throwing"].includes(this.mood);
  }

  /** Applies a packet and returns the answer, or nothing if the target never answers. */
  receive(packet: Packet, key: string, at: number, fraction: () => number): Outcome | undefined {
    const mood = this.moodNow(fraction);
    const take = () => this.take(packet, key, at);
    switch (mood) {
      case "well":
      case "flapping":
        take();
        return delivered({ status: 200 });
      case "failing":
        return retry("answered 500", { status: 500 });
      case "overloaded":
        return retry("answered 503", { status: 503, afterMs: afters[Math.floor(fraction() * afters.length)] });
      case "throttling":
        return retry("answered 429", { status: 429, mayHaveLanded: false, afterMs: 1e12 });
      case "hanging":
        if (fraction() < 0.5) take();
        return undefined;
      case "losing":
        take();
        return retry("the connection was reset", { code: "no-answer" });
      case "deaf":
        return retry("the connection was reset", { code: "no-answer" });
      case "refusing":
        return refused("answered 422", { status: 422, answer: "no" });
      case "throwing":
        if (fraction() < 0.5) take();
        throw new TypeError("the connector's own fault");
      case "locked":
        return retry("refused the credentials (401)", { status: 401, mayHaveLanded: false, auth: true });
    }
  }
}

const afters = [0, 1, 1_000, 3_600_000, Number.MAX_SAFE_INTEGER, undefined];
