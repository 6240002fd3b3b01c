import { createSecretKey } from "node:crypto";
import type { Sheet } from "../../bridge/mapping/compile-sheet.ts";
import { readSheet } from "../../bridge/mapping/sheet-file.ts";
import { Catalog, type Connector } from "../../bridge/model/connector.ts";
import type { SourceEvent } from "../../bridge/model/event.ts";
import type { Packet } from "../../bridge/model/packet.ts";
import type { PacketRecord } from "../../bridge/model/packet-record.ts";
import type { Version } from "../../bridge/model/version.ts";
import { createPacketRecord, type Transition } from "../../bridge/recording/transitions.ts";

export const aKey = createSecretKey(Buffer.alloc(32, 7));

/** Time at which most tests run. */
export const noon = Date.parse("2026-03-01T12:00:00Z");

export function anEvent(overrides: Partial<SourceEvent> = {}): SourceEvent {
  return {
    id: "c-1",
    source: "hms.policy",
    type: "policy.per_diem.updated",
    subject: "rate-1",
    data: { new_rate: 68, old_rate: 62 },
    ...overrides,
  };
}

export function aVersion(overrides: Partial<Version> = {}): Version {
  return { source: "hms.policy", time: noon, accepted: noon * 1_000, revision: 0, ...overrides };
}

export function aPacket(overrides: Partial<Packet> = {}): Packet {
  return {
    id: "pkt-aaaaaaaaaaaaaaaa",
    event: "evt-aaaaaaaaaaaaaaaa",
    eventType: "policy.per_diem.updated",
    sheet: "per_diem",
    sheetHash: "0".repeat(64),
    target: "payroll",
    connector: "Fake@v1",
    entity: "rate-1",
    lane: "Fake@v1#rate-1",
    shadow: "Fake@v1#rate-1",
    order: "latest",
    send: "changed",
    action: "upsert",
    fields: { dailyRate: 68 },
    version: aVersion(),
    windowMs: 60_000,
    ...overrides,
  };
}

/** Creates a newly recorded packet with the first entry of its chain. */
export function aBeginning(packet: Partial<Packet> = {}, at = noon, change: Partial<PacketRecord["progress"]> = {}) {
  return createPacketRecord(aPacket(packet), at, {
    status: "QUEUED",
    facts: {},
    progress: change,
  }) satisfies Transition;
}

/** Reads a sheet from its text. @throws {Error} with the issues if the sheet is invalid */
export function aSheet(text: string, file = "mappings/per_diem.yaml"): Sheet {
  const reading = readSheet(file, text);
  if (!reading.ok) throw new Error(JSON.stringify(reading.issues));
  return reading.sheet;
}

/** Creates a catalog of connectors that have only a name and version, for tests that send nothing. */
export function aCatalog(...names: string[]): Catalog {
  return new Catalog(
    names.map((reference) => {
      const [name = "", version = "v1"] = reference.split("@");
      return { name, version } as Connector;
    }),
  );
}
