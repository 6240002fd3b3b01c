import { describe, expect, test } from "vitest";
import type { Action } from "./plan.ts";
import { contradictions, type Exemption, laneExemptions, recordExemptions } from "./witness.ts";
import { World } from "./world.ts";

const noon = Date.parse("2026-03-01T12:00:00Z");
const hourMs = 3_600_000;

let events = 0;

/** Emits a change of one record. The kind of producer begins the record's name. */
function emit(
  subject: string,
  data: object,
  more: { seconds?: number; sequence?: number; type?: string } = {},
): Action {
  const { seconds, sequence, type = "record.changed" } = more;
  const source = { counted: "hms.counts", timed: "hms.clock" }[subject.split("-")[0] ?? ""] ?? "hms.plain";
  const event = {
    ...{ id: `w-${++events}`, source: seconds === undefined ? source : "hms.clock", type, subject, data },
    ...(seconds !== undefined && { time: new Date(noon + seconds * 1_000).toISOString() }),
    ...(sequence !== undefined && { sequence }),
  };
  return { do: "emit", body: JSON.stringify(event) };
}

/** An action, or `rest`: lets the bridge work until it is idle. */
type Step = Action | "rest";

async function worldAfter(steps: readonly Step[]): Promise<World> {
  const world = await World.make({ seed: 1 });
  for (const step of [...steps, "rest"] as const) {
    await (step === "rest" ? world.runUntilIdle() : world.apply(step));
  }
  return world;
}

const latest = 0;

/** A history for each exemption, which contradicts the producers' words without it. */
const histories: readonly { readonly exemption: string; readonly steps: readonly Step[] }[] = [
  {
    exemption: "a packet is held",
    steps: [{ do: "mode", target: latest, mode: "refusing" }, emit("plain-r1", { a: 1 }), "rest"],
  },
  {
    exemption: "a person discarded",
    steps: [
      { do: "mode", target: latest, mode: "refusing" },
      emit("plain-r1", { a: 1 }),
      "rest",
      { do: "decide", decision: "discard" },
    ],
  },
  {
    exemption: "producers with and without own times",
    steps: [emit("mixed-r1", { a: 1 }), emit("mixed-r1", { a: 2 }, { seconds: -60 })],
  },
  {
    exemption: "a producer's clock",
    steps: [
      { do: "jump", ms: hourMs },
      emit("timed-r1", { a: 1 }, { seconds: 3_600 }),
      "rest",
      { do: "jump", ms: -hourMs },
      emit("timed-r1", { a: 2 }, { seconds: 0 }),
    ],
  },
  {
    exemption: "a snapshot was backfilled",
    steps: [
      emit("timed-r1", { a: 1 }, { seconds: -600 }),
      {
        do: "backfill",
        targets: ["record.latest"],
        lines: [
          JSON.stringify({
            ...{ id: "old", source: "hms.snapshot", type: "record.changed", subject: "timed-r1" },
            ...{ time: new Date(noon - 60_000).toISOString(), data: { a: 9 } },
          }),
        ],
      },
    ],
  },
];

describe("the witness", { tags: "row-36" }, () => {
  test.each(histories)("needs the exemption: $exemption", async ({ exemption, steps }) => {
    await using world = await worldAfter(steps);
    const needed = recordExemptions.find(({ words }) => words.startsWith(exemption)) as Exemption;

    expect(await contradictions(world)).toEqual([]);
    expect(await contradictions(world, needed)).not.toEqual([]);
  });

  test("has no exemption without a history that needs it", () => {
    const all = new Set([...recordExemptions, ...laneExemptions]);

    expect([...all].filter(({ words }) => !histories.some(({ exemption }) => words.startsWith(exemption)))).toEqual([]);
  });
});
