import { expect, test } from "vitest";
import type { Progress } from "../../bridge/model/packet-record.ts";
import { viewOf } from "../../library/packet-view.ts";
import { aPacket, noon } from "../support/builders.ts";

const progress: Progress = {
  status: "QUEUED",
  tail: { seq: 1, hash: "" },
  place: "lane",
  tries: 1,
  round: 1,
  puts: 0,
  queuedAt: noon,
};

test.each<[string, Partial<Progress>, RegExp]>([
  ["sent", { status: "SENT", delivery: { at: "/v2/rates", ms: 4 } }, /→ SENT .*@\/v2\/rates {2}\(4 ms\)$/],
  [
    "waiting for its next attempt",
    { nextTryAt: noon + 600_000, reason: "answered 500" },
    /\(retry in 10 min: answered 500\)$/,
  ],
  ["due", { nextTryAt: noon - 1, reason: "the target is down" }, /\(due: the target is down\)$/],
  ["being sent", { lease: { owner: "o", until: noon + 1 } }, /\(being sent\)$/],
  [
    "interrupted during an attempt",
    { lease: { owner: "o", until: noon } },
    /\(an attempt was interrupted; another follows\)$/,
  ],
  ["held", { status: "HELD", reason: "answered 422" }, /→ HELD .*\(answered 422\)$/],
  ["on its lane", {}, /→ QUEUED \S+$/],
])("a packet's line says that it is %s", (_, change, expected) => {
  const view = viewOf({ packet: aPacket(), recordedAt: noon, progress: { ...progress, ...change } }, noon);

  expect(String(view)).toMatch(expected);
});
