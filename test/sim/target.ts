import { delivered, type Outcome, refused, retry } from "../../bridge/model/outcome.ts";
import type { Packet } from "../../bridge/model/packet.ts";
import { compareVersions } from "../../bridge/model/version.ts";
import type { JsonObject } from "../../bridge/values/json.ts";
import { type FakeOptions, fakeTarget } from "../support/core.ts";
import type { Inbox } from "./inbox.ts";
import { type TargetMode, targetModes } from "./target-mode.ts";

/** One effect a target has had. */
export interface Effect {
  readonly packet: Packet;
  /** ms since the epoch */
  readonly at: number;
}

/** A simulated outside system that records violations of the guarantees toward it. */
export class SimTarget {
  readonly fake;
  readonly idempotent: boolean;
  mode: TargetMode = "healthy";
  /** Fields it holds, by entity. */
  readonly state = new Map<string, JsonObject>();
  /** Every effect, in order. */
  readonly effects: Effect[] = [];
  /** Number of effects by packet id. */
  readonly effectsOf = new Map<string, number>();
  /** Violations, each with the packet concerned and, if it arrived too late, the newer packet before it. */
  readonly violations: { readonly message: string; readonly packet: string; readonly after?: string }[] = [];
  /** Packets by idempotency key. */
  readonly #keys = new Map<string, Packet>();
  readonly #newest = new Map<string, Map<string, Packet>>();

  /** Set if the target receives files instead of calls. */
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
   * Applies a packet. A repeated key has no second effect, so fields that a repeat adds would be lost unless the target
   * already holds them.
   */
  take(packet: Packet, key: string, at: number): void {
    const known = this.#keys.get(key);
    if (this.idempotent && known !== undefined) {
      const held = this.state.get(packet.entity);
      const lost = Object.entries(packet.fields).filter(
        ([name, value]) => !Object.hasOwn(known.fields, name) && JSON.stringify(held?.[name]) !== JSON.stringify(value),
      );
      if (lost.length > 0) this.report(`a repeated key added ${lost.map(([name]) => name)}`, packet);
      return;
    }
    this.#keys.set(key, packet);
    this.hasEffect(packet, at);
    if (packet.order === "latest") this.#checkVersions(packet);
    if (packet.action === "delete") this.state.delete(packet.entity);
    else this.state.set(packet.entity, { ...this.state.get(packet.entity), ...packet.fields });
  }

  hasEffect(packet: Packet, at: number): void {
    this.effects.push({ packet, at });
    const times = (this.effectsOf.get(packet.id) ?? 0) + 1;
    this.effectsOf.set(packet.id, times);
    if (times > 1) this.report(`a packet had ${times} effects`, packet);
  }

  /** Returns the mode for one call. */
  currentMode(fraction: () => number): TargetMode {
    return this.mode === "flapping"
      ? (targetModes[Math.floor(fraction() * (targetModes.length - 1))] as TargetMode)
      : this.mode;
  }

  #checkVersions(packet: Packet): void {
    const newest = this.#newest.get(packet.entity) ?? new Map<string, Packet>();
    this.#newest.set(packet.entity, newest);
    const names = packet.action === "delete" ? [...newest.keys()] : Object.keys(packet.fields);
    for (const name of names) {
      const before = newest.get(name) ?? newest.get("");
      // A packet sent in full repeats the newer values of other packets.
      const held = this.state.get(packet.entity)?.[name];
      if (packet.action === "upsert" && JSON.stringify(held) === JSON.stringify(packet.fields[name]) && before)
        continue;
      if (before && compareVersions(before.version, packet.version) > 0) {
        this.report(`field ${name} went back to an older value`, packet, before);
      }
      newest.set(name, packet);
    }
    // A deletion also has a version for fields that are first set later.
    if (packet.action === "delete") newest.set("", packet);
  }

  report(message: string, packet: Packet, after?: Packet): void {
    this.violations.push({ message: `${this.id}: ${message}`, packet: packet.id, ...(after && { after: after.id }) });
  }

  isAwake(fraction: () => number): boolean {
    if (this.mode === "flapping") return fraction() < 0.5;
    return ["healthy", "refusing", "losing-answers", "throttling", "throwing"].includes(this.mode);
  }

  /** Handles a call in the current mode. Returns `undefined` if the target never answers. */
  receive(packet: Packet, key: string, at: number, fraction: () => number): Outcome | undefined {
    const mode = this.currentMode(fraction);
    const apply = () => this.take(packet, key, at);
    switch (mode) {
      case "healthy":
      case "flapping":
        apply();
        return delivered({ status: 200 });
      case "failing":
        return retry("answered 500", { status: 500 });
      case "overloaded":
        return retry("answered 503", {
          status: 503,
          afterMs: retryAfters[Math.floor(fraction() * retryAfters.length)],
        });
      case "throttling":
        return retry("answered 429", { status: 429, mayHaveLanded: false, afterMs: 1e12 });
      case "hanging":
        if (fraction() < 0.5) apply();
        return undefined;
      case "losing-answers":
        apply();
        return retry("the connection was reset", { code: "no-answer" });
      case "resetting":
        return retry("the connection was reset", { code: "no-answer" });
      case "refusing":
        return refused("answered 422", { status: 422, answer: "no" });
      case "throwing":
        if (fraction() < 0.5) apply();
        throw new TypeError("a bug in the connector");
      case "unauthorized":
        return retry("refused the credentials (401)", { status: 401, mayHaveLanded: false, auth: true });
    }
  }
}

const retryAfters = [0, 1, 1_000, 3_600_000, Number.MAX_SAFE_INTEGER, undefined];
