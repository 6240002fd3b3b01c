export { defineConnector } from "./bridge/model/connector.ts";
export { delivered, type Outcome, refused, retry, unknown } from "./bridge/model/outcome.ts";
export type { Packet } from "./bridge/model/packet.ts";
export { nest } from "./bridge/values/field-path.ts";
export { Bridge, type BridgeOptions } from "./library/bridge.ts";
export { Connector, Held } from "./library/connector.ts";
export { Event, type EventInput } from "./library/event.ts";
export type { PacketView } from "./library/packet-view.ts";
export { Stream, type Streamed, type StreamOptions, sourceOf } from "./library/stream.ts";
