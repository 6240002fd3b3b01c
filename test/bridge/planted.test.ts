import { describe, expect, it } from "vitest";
import { push } from "../../bridge/intake/push-event.ts";
import { startJob } from "../../bridge/jobs/job-runner.ts";
import { eventKey } from "../../bridge/model/event.ts";
import { measurementsIn } from "../../functions/log-metrics.ts";
import { aSheet } from "../support/builders.ts";
import { aCore, type Core, fakeTarget } from "../support/core.ts";
import { home } from "../support/home.ts";
import {
  labeledText,
  leakedFields,
  type PlantedValue,
  plantedFields,
  plantedValues,
} from "../support/planted-personal-data.ts";

const values = plantedValues(99);
const kinds = plantedFields;

const mapped = kinds.map((kind) => `${kind}: ${kind}`).join(", ");
const sheets = {
  people: `source_event: person.changed
targets:
  open: { connector: Open, map: { ${mapped}, note: note, nested: nested } }
  closed: { connector: Closed, map: { ${mapped}, note: note, nested: nested } }
`,
};

/** Policy that allows everything unchanged to the target `Open`, and no personal data to `Closed`. */
const governance = `otherwise: block
classes:
  person: { fields: [full_name, home_address] }
rules:
  - { id: all-to-open, field: "*", connector: Open, action: allow }
  - { id: key-to-open, field: entity, connector: Open, action: allow }
  - { id: no-persons, class: person, action: block }
`;

const eventOf = ({ field, value }: PlantedValue, i: number, where: "field" | "note" | "nested") => ({
  id: `${where}-${i}`,
  type: "person.changed",
  subject: `r-${where}-${i}`,
  data:
    where === "field"
      ? { [field]: value }
      : { [where]: where === "nested" ? { [field]: [value] } : `${field}: ${value}` },
});

/** Returns the planted values that appear in a log line, metric, ledger entry, packet's reason or error. */
async function leakedValues(core: Core, errors: readonly unknown[] = []): Promise<string[]> {
  const output = JSON.stringify([
    core.lines,
    core.lines.flatMap(measurementsIn),
    await core.entries(),
    (await core.packets()).map(({ progress }) => progress.reason),
    errors.map((error) => [String(error), (error as Error).stack, String((error as Error).cause)]),
  ]);
  return leakedFields(output, values);
}

async function aPlantedCore() {
  const open = fakeTarget({ name: "Open" });
  const closed = fakeTarget({ name: "Closed" });
  const place = home();
  const core = await aCore({ targets: [open, closed], sheets, governance, places: [place.path] });
  return { core, open, closed, place };
}

describe("planted personal data", () => {
  it("covers 200 values of twelve kinds", () => {
    expect(new Set(values.map(({ value }) => value)).size).toBe(200);
    expect(kinds).toHaveLength(12);
  });

  it("reaches only the target that the policy allows, and appears in no log, metric, alert or ledger entry", async () => {
    const { core, open, closed, place } = await aPlantedCore();
    await using _ = core;
    using __ = place;
    for (const where of ["field", "nested"] as const) {
      await core.emit(...values.map((planted, i) => eventOf(planted, i, where)));
    }
    await core.emit(
      ...values.map(({ value }) => `{ "id": "${value}", broken`),
      ...values.map(({ value }) => JSON.stringify({ id: value })),
    );
    await core.rest(600_000);

    expect(closed.calls).toEqual([]);
    const sent = JSON.stringify(open.calls);
    expect(values.filter(({ value }) => !sent.includes(value))).toEqual([]);
    expect(await leakedValues(core)).toEqual([]);
  });

  it("reaches no target from free text if the words around it name its kind", async () => {
    const { core, closed, place } = await aPlantedCore();
    await using _ = core;
    using __ = place;
    const detectable = values.filter((planted) => labeledText(planted) !== undefined);
    const notes = detectable.map((planted) => ({ ...planted, field: planted.field.replaceAll("_", " ") }));
    await core.emit(...notes.map((planted, i) => eventOf(planted, i, "note")));
    await core.rest(600_000);

    expect(closed.calls.map(({ fields }) => fields)).toEqual([]);
    expect(await leakedValues(core)).toEqual([]);
  });

  it("stays out of all output if it is a record key or part of a target's error", async () => {
    const { core, open, place } = await aPlantedCore();
    await using _ = core;
    using __ = place;
    open.behave = (packet, call) => {
      if (call % 3 === 0) throw new Error(`cannot take ${JSON.stringify(packet.fields)} of ${packet.entity}`);
      return open.take(packet);
    };
    await core.emit(
      ...values.map(({ value, field }, i) => ({
        id: `k-${i}`,
        type: "person.changed",
        subject: value,
        data: { [field]: value },
      })),
    );
    await core.rest(600_000);

    expect(await leakedValues(core)).toEqual([]);
  });

  it("stays out of all output if a backfill reads it from events or a file", async () => {
    const { core, open, closed, place } = await aPlantedCore();
    await using _ = core;
    using __ = place;
    place.write(
      "old.ndjson",
      values
        .map((planted, i) =>
          JSON.stringify({ ...eventOf(planted, i, "field"), source: "hms.old", time: "2026-01-01T00:00:00Z" }),
        )
        .join("\n"),
    );
    const file = await core.engine.files.find(`file://${place.path}/old.ndjson`);
    const targets = ["people.open", "people.closed"];
    await startJob(core.engine, { kind: "backfill", actor: "jo", request: { targets, from: { kind: "file", file } } });
    await core.jobs();
    await core.rest(600_000);
    await startJob(core.engine, {
      kind: "backfill",
      actor: "jo",
      request: { targets, from: { kind: "events", since: 0, until: core.clock.now() } },
    });
    await startJob(core.engine, {
      kind: "replay",
      actor: "jo",
      request: { from: 0, to: core.clock.now(), force: true },
    });
    await core.jobs();
    await core.rest(600_000);

    expect(closed.calls).toEqual([]);
    expect(open.calls.length).toBeGreaterThanOrEqual(200);
    expect(await leakedValues(core)).toEqual([]);
  });

  it("stays out of all output and errors when pushed through a sheet built in code", async () => {
    const { core, closed, place } = await aPlantedCore();
    await using _ = core;
    using __ = place;
    const sheet = aSheet(`source_event: x\ntargets: { d: { connector: Closed, map: { ${mapped} } } }`, "code.yaml");
    const events = values.map((planted, i) => ({ ...eventOf(planted, i, "field"), type: "x", source: "hms.policy" }));
    await core.emit(...events);
    await core.map();
    const errors: unknown[] = [];
    for (const event of events) await push(core.engine, eventKey(event), sheet).catch((error) => errors.push(error));
    for (const { value } of values)
      await push(core.engine, value, sheet).catch((error: Error) => errors.push(error.name));
    await core.rest(600_000);

    expect(closed.calls).toEqual([]);
    expect(await leakedValues(core, errors)).toEqual([]);
  });

  it("reaches a target only in masked or hashed form if the policy masks or hashes every field", async () => {
    for (const action of ["mask", "hash"]) {
      const target = fakeTarget({ name: "Open" });
      const policy = `otherwise: ${action === "hash" ? "block" : "mask"}\nrules: [{ id: all, field: "*", action: ${action} }]`;
      await using core = await aCore({
        targets: [target],
        sheets: { people: `source_event: person.changed\ntargets: { open: { connector: Open, map: { ${mapped} } } }` },
        governance: policy,
      });
      await core.emit(...values.map((planted, i) => eventOf(planted, i, "field")));
      await core.rest(600_000);

      const sent = JSON.stringify(target.calls.map(({ fields }) => fields));
      expect(target.calls).toHaveLength(200);
      expect(values.filter(({ value }) => sent.includes(value))).toEqual([]);
    }
  });
});
