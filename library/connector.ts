import { push } from "../bridge/intake/push-event.ts";
import { compileSheet, type Sheet } from "../bridge/mapping/compile-sheet.ts";
import { eventKey, type SourceEvent } from "../bridge/model/event.ts";
import type { SheetDocument } from "../bridge/model/sheet-document.ts";
import { type Bridge, borrowBridge } from "./bridge.ts";
import type { PacketView } from "./packet-view.ts";
import { isStreamed, type Streamed, sourceOf } from "./stream.ts";

type FieldMap = NonNullable<SheetDocument["targets"][string]["map"]>;

/** A target could not take a pushed change without a person's help. */
export class Held extends Error {
  // Private, so that an error printed whole does not show the packet's fields.
  readonly #packet: PacketView;

  constructor(packet: PacketView) {
    super(`${packet.id} is held: ${packet.reason ?? "see bridge explain"}`);
    this.#packet = packet;
  }

  get packet(): PacketView {
    return this.#packet;
  }
}

/**
 * An outside system to push to from code: the same vetting, ledger, order and outbox as with a mapping sheet.
 *
 * ```ts
 * const hr = new Connector("WorkForceNow").map({ teleworkHours: "flex_time" });
 * await hr.push(evt);
 * ```
 */
export class Connector {
  readonly #name: string;
  readonly #bridge: Bridge | undefined;
  #map: FieldMap = {};
  #key: string | undefined;

  /** @param name as in a sheet: `PayrollConnector`, `WorkForceNow@v2` */
  constructor(name: string, options: { readonly bridge?: Bridge } = {}) {
    this.#name = name;
    this.#bridge = options.bridge;
  }

  /** Which field becomes which, as under `map:` in a sheet. */
  map(fields: FieldMap): this {
    this.#map = { ...this.#map, ...fields };
    return this;
  }

  /** Which field says what record changed. Default: the event's subject, else `data.id`. */
  key(path: string): this {
    this.#key = path;
    return this;
  }

  /**
   * Sends a change and waits until the target has it, through the target's sleep if need be. The packet is recorded
   * first: should this process end, it is delivered all the same.
   *
   * @throws {Held} where a person is needed
   */
  async push(event: Streamed | SourceEvent): Promise<PacketView[]> {
    await using borrowed = await borrowBridge(this.#bridge);
    const { bridge } = borrowed;
    const source = isStreamed(event) ? sourceOf(event) : event;
    const key = isStreamed(event) ? eventKey(source) : await emitAndWait(bridge, source);
    const ids = await push(await bridge.engine(), key, this.#sheet(source.type));
    const packets = await Promise.all(ids.map((id) => bridge.finished(id)));
    const held = packets.find((packet) => packet.status === "HELD");
    if (held) throw new Held(held);
    return packets;
  }

  #sheet(type: string): Sheet {
    const target: SheetDocument["targets"][string] = {
      connector: this.#name,
      map: this.#map,
      send: "changed",
      action: "upsert",
      ...(this.#key && { key: this.#key }),
    };
    const compiled = compileSheet("push", {
      source_event: type,
      consistency_window: "60s",
      direction: "outbound",
      targets: { [this.#name.toLowerCase()]: target },
    });
    // Two maps are two sheets: the same event may be pushed through both.
    if (compiled.ok) return { ...compiled.sheet, name: `push-${compiled.sheet.hash.slice(0, 8)}` };
    throw new TypeError(
      `Connector("${this.#name}").map(): ${compiled.faults.map(({ message }) => message).join("; ")}`,
    );
  }
}

async function emitAndWait(bridge: Bridge, event: SourceEvent): Promise<string> {
  const key = await bridge.emit(event);
  const { store, clock } = await bridge.engine();
  while (!(await store.read("event", [key]))[0]) await clock.sleep(2);
  return key;
}
