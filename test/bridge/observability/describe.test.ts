import { describe, expect, it } from "vitest";
import type { Facts, Step } from "../../../bridge/model/ledger-entry.ts";
import { inWords, sentenceOf } from "../../../bridge/observability/describe.ts";

describe("description of a ledger entry", () => {
  it.each<[Step, Facts, string]>([
    ["QUEUED", { fields: ["dailyRate", "since"] }, "recorded with dailyRate, since; queued in its lane"],
    ["QUEUED", { fields: [] }, "recorded with no fields; queued in its lane"],
    ["QUEUED", { place: "outbox", tries: 0 }, "moved to the outbox before any attempt"],
    ["QUEUED", { place: "outbox", tries: 7 }, "moved to the outbox after attempt 7"],
    ["QUEUED", { act: "release", actor: "jo", why: "payroll is fixed" }, "released, by jo: payroll is fixed"],
    ["RETRY", { tries: 1, http: 503, waitMs: 1_100 }, "not delivered on attempt 1 (HTTP 503); next attempt in 1 s"],
    ["SENT", { tries: 2, http: 200, ms: 12 }, "delivered on attempt 2 (HTTP 200) in 12 ms"],
    ["UNCHANGED", { reason: "the target already holds it" }, "not sent: the target already holds it"],
    ["EXPANDED", { packets: 1, targets: 2 }, "created 1 packet for 2 targets"],
    ["EXPANDING", { chunks: 3 }, "split into 3 chunks because of its size"],
  ])("describes %s with %j", (step, facts, sentence) => {
    expect(sentenceOf({ step, facts })).toBe(sentence);
  });

  it.each([
    [-1, "0 s"],
    [12, "12 ms"],
    [1_499, "1 s"],
    [600_000, "10 min"],
    [7_200_000, "2 h"],
  ])("rounds %i ms to one unit", (ms, text) => {
    expect(inWords(ms)).toBe(text);
  });
});
