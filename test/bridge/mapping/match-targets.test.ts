import { describe, expect, it } from "vitest";
import { match } from "../../../bridge/mapping/match-targets.ts";
import { anEvent, aSheet, noon } from "../../support/builders.ts";

const versions = `
source_event: t
targets:
  old: { connector: "Fake@v1", until: 2026-03-01T12:00:01Z, map: { a: b } }
  new: { connector: "Fake@v2", from: 2026-03-01T12:00:00Z, map: { a: b } }
`;

async function targetsAt(ms: number, time?: string): Promise<string[]> {
  const event = anEvent({ type: "t", ...(time && { time }) });
  return (await match(event, [aSheet(versions)], ms)).map(({ target }) => target.name);
}

describe("matching", () => {
  it("sends an event to both versions of a connector while they overlap, from inclusive, until exclusive", async () => {
    expect(await targetsAt(noon - 1)).toEqual(["old"]);
    expect(await targetsAt(noon)).toEqual(["old", "new"]);
    expect(await targetsAt(noon + 999)).toEqual(["old", "new"]);
    expect(await targetsAt(noon + 1_000)).toEqual(["new"]);
  });

  it("compares from and until with the time of acceptance, so a late event goes only to the newer version", async () => {
    expect(await targetsAt(noon + 5_000, "2026-02-01T00:00:00Z")).toEqual(["new"]);
  });

  it.each<[string, number]>([
    ["true", 1],
    ["false", 0],
    ['data.new_rate > 60 and source = "hms.policy"', 1],
    ["data.nothing", 0],
    ["data.new_rate", 0],
    ['"true"', 0],
    ["[true]", 0],
  ])("takes an event only if the condition evaluates to true: %s", async (when, count) => {
    const sheet = aSheet(`source_event: t\nwhen: '${when}'\ntargets: { a: { connector: Fake, map: { x: y } } }`);

    expect(await match(anEvent({ type: "t" }), [sheet], noon)).toHaveLength(count);
  });

  it("reports a failed condition and still matches the other sheets", async () => {
    const targets = "targets: { a: { connector: Fake, map: { x: y } } }";
    const sheets = [`source_event: t\nwhen: data.new_rate + "x" > 1\n${targets}`, `source_event: t\n${targets}`];

    const found = await match(
      anEvent({ type: "t" }),
      sheets.map((text, i) => aSheet(text, `${i}.yaml`)),
      noon,
    );

    expect(found).toMatchObject([{ issue: expect.stringContaining("T2002") }, {}]);
    expect(found[1]).not.toHaveProperty("issue");
  });

  it("returns targets in the order of the sheets", async () => {
    const sheets = ["b", "a"].map((name) =>
      aSheet(`source_event: t\ntargets: { ${name}: { connector: Fake, map: { x: y } } }`, `${name}.yaml`),
    );

    expect((await match(anEvent({ type: "t" }), sheets, noon)).map(({ sheet }) => sheet.name)).toEqual(["b", "a"]);
  });
});
