import { describe, expect, it } from "vitest";
import { verifyChain } from "../../../bridge/ledger/chain.ts";
import { createPacketRecord, transitionPacket } from "../../../bridge/recording/transitions.ts";
import { aBeginning, aPacket, noon } from "../../support/builders.ts";

describe("packet transition", () => {
  it("begins the chain when the packet is recorded", () => {
    const { record, entry } = createPacketRecord(aPacket(), noon, { status: "QUEUED", facts: { event: "evt-1" } });

    expect(record).toMatchObject({
      recordedAt: noon,
      progress: { status: "QUEUED", place: "lane", tries: 0, puts: 0 },
    });
    expect(verifyChain(record.packet.id, [entry], record.progress.tail)).toBeUndefined();
  });

  it("drops the reason, lease, next attempt and lane head of the previous status", () => {
    const { record } = aBeginning({}, noon, {
      reason: "answered 500",
      lease: { owner: "a", until: 1 },
      nextTryAt: 2,
      behind: "pkt-b",
      failingSince: 3,
    });

    const next = transitionPacket(record, noon + 1, { status: "RETRY", facts: {} });

    expect(next.record.progress).not.toHaveProperty("reason");
    expect(next.record.progress).not.toHaveProperty("lease");
    expect(next.record.progress).not.toHaveProperty("nextTryAt");
    expect(next.record.progress).not.toHaveProperty("behind");
    expect(next.record.progress.failingSince).toBe(3);
  });

  it("records the time at which the packet closes", () => {
    const { record } = aBeginning();

    expect(transitionPacket(record, noon + 5, { status: "SENT", facts: {} }).record.progress.closedAt).toBe(noon + 5);
    expect(transitionPacket(record, noon + 5, { status: "RETRY", facts: {} }).record.progress.closedAt).toBeUndefined();
  });

  it("throws if the packet is closed already", () => {
    const closed = transitionPacket(aBeginning().record, noon, { status: "SENT", facts: {} }).record;

    for (const status of ["QUEUED", "RETRY", "HELD", "SENT", "DISCARDED"] as const) {
      expect(() => transitionPacket(closed, noon, { status, facts: {} })).toThrow(/cannot go from SENT/);
    }
  });

  it("leaves the given record unchanged", () => {
    const { record } = aBeginning();
    const before = structuredClone(record);

    transitionPacket(record, noon, { status: "SENT", facts: {}, progress: { tries: 9 } });

    expect(record).toEqual(before);
  });
});
