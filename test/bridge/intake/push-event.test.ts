import { describe, expect, it } from "vitest";
import { push } from "../../../bridge/intake/push-event.ts";
import { eventKey } from "../../../bridge/model/event.ts";
import { aSheet } from "../../support/builders.ts";
import { aCore, fakeTarget } from "../../support/core.ts";

const sheet = () =>
  aSheet(
    "source_event: anything\ntargets: { direct: { connector: Fake, map: { rate: rate, note: note } } }",
    "code.yaml",
  );

describe("push", () => {
  it("sends a recorded event through a sheet built in code", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "1", type: "anything", subject: "r", data: { rate: 7 } });
    await core.map();

    const ids = await push(core.engine, key("1"), sheet());
    await core.run();

    expect(target.state.get("r")).toEqual({ rate: 7 });
    expect(await core.steps(ids[0] as string)).toEqual(["QUEUED", "SENT"]);
  });

  it("creates no new packet if the same event is pushed again", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "1", type: "anything", subject: "r", data: { rate: 7 } });
    await core.map();

    const first = await push(core.engine, key("1"), sheet());
    await core.run();
    const second = await push(core.engine, key("1"), sheet());
    await core.run();

    expect(second).toEqual(first);
    expect(target.calls).toHaveLength(1);
  });

  it("holds a packet that governance blocks", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "1", type: "anything", data: { note: "123-45-6789" } });
    await core.map();

    await push(core.engine, key("1"), sheet());
    await core.rest();

    expect(target.calls).toHaveLength(0);
    expect((await core.only()).progress.status).toBe("HELD");
  });

  it("creates no packet if the event has no mapped field", async () => {
    await using core = await aCore();
    await core.emit({ id: "1", type: "anything", data: { other: 7 } });
    await core.map();

    expect(await push(core.engine, key("1"), sheet())).toEqual([]);
  });

  it("leaves packets to the watchdog if it fails between the table and the queue", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await core.emit({ id: "1", type: "anything", subject: "r", data: { rate: 7 } });
    await core.map();
    const queue = new Proxy(core.engine.queue, {
      get: (port, name) =>
        name === "send" ? () => Promise.reject(new Error("throttled")) : Reflect.get(port, name, port),
    });

    await expect(push({ ...core.engine, queue }, key("1"), sheet())).rejects.toThrow("throttled");
    await core.rest();

    expect(target.state.get("r")).toEqual({ rate: 7 });
  });

  it("rejects an event that is not recorded, with advice to emit it first", async () => {
    await using core = await aCore();

    await expect(push(core.engine, "evt-nobody", sheet())).rejects.toThrow(
      "evt-nobody is not recorded, or its body was erased; emit the event first",
    );
  });
});

function key(id: string): string {
  return eventKey({ source: "hms.policy", id });
}
