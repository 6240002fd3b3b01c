import { push } from "../bridge/intake/push-event.ts";
import { compileSheet, type Sheet } from "../bridge/mapping/compile-sheet.ts";
import { eventKey, type SourceEvent } from "../bridge/model/event.ts";
import type { SheetDocument } from "../bridge/model/sheet-document.ts";
import { BridgeError } from "../bridge/values/bridge-error.ts";
import { type Bridge, borrowBridge } from "./bridge.ts";
import type { PacketView } from "./packet-view.ts";
import { isStreamed, type Streamed, sourceOf } from "./stream.ts";

type FieldMap = NonNullable<SheetDocument["targets"][string]["map"]>;

/** Thrown when a pushed change is held, so a person must decide. */
export class Held extends BridgeError {
  override readonly name = "Held";
  // Private, so that printing the error does not show the packet's fields.
  readonly #packet: PacketView;

  constructor(packet: PacketView) {
    super("packet-held", `${packet.id} is held: ${packet.reason ?? "bridge explain shows why"}`);
    this.#packet = packet;
  }

  get packet(): PacketView {
    return this.#packet;
  }
}

/**
 * Pushes changes to an outside system from code, with the same governance, ledger, order and outbox as a mapping sheet.
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

  /** @param name the connector, as in a sheet: `PayrollConnector`, `WorkForceNow@v2` */
  constructor(name: string, options: { readonly bridge?: Bridge } = {}) {
    this.#name = name;
    this.#bridge = options.bridge;
  }

  /** Maps event fields to target fields, as `map:` does in a sheet. Repeated calls add fields. */
  map(fields: FieldMap): this {
    this.#map = { ...this.#map, ...fields };
    return this;
  }

  /** Sets the path of the field that identifies the record. Default: the event's subject, else `data.id`. */
  key(path: string): this {
    this.#key = path;
    return this;
  }

  /**
   * Sends a change and waits until the target has it, even if the target is down for a while. The packet is recorded
   * first, so it is delivered even if this process ends.
   *
   * @throws {Held} if the packet is held for a person
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
    // The name depends on the map, so that one event can be pushed through several maps.
    if (compiled.ok) return { ...compiled.sheet, name: `push-${compiled.sheet.hash.slice(0, 8)}` };
    throw new TypeError(
      `Connector("${this.#name}").map(): ${compiled.issues.map(({ message }) => message).join("; ")}`,
    );
  }
}

async function emitAndWait(bridge: Bridge, event: SourceEvent): Promise<string> {
  const key = await bridge.emit(event);
  const { store, clock } = await bridge.engine();
  while (!(await store.read("event", [key]))[0]) await clock.sleep(2);
  return key;
}
