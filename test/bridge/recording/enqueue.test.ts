import { describe, expect, it } from "vitest";
import type { Engine } from "../../../bridge/engine.ts";
import { runMaintenance } from "../../../bridge/maintenance/run-maintenance.ts";
import { refused } from "../../../bridge/model/outcome.ts";
import { pause } from "../../../bridge/operations/connector-operations.ts";
import type { NewMessage, QueueName } from "../../../bridge/ports/queue.ts";
import { sendUnsent } from "../../../bridge/recording/enqueue.ts";
import { aCore, type Core, type FakeTarget, fakeTarget } from "../../support/core.ts";

const actor = { actor: "jo", reason: "a test" };

/** Returns an engine whose lane queue is worked off by another process before `send` returns. */
function withPromptWorker(core: Core, target: FakeTarget): Engine {
  const { engine } = core;
  const send = async (queue: QueueName, messages: readonly NewMessage[]) => {
    await engine.queue.send(queue, messages);
    if (queue.startsWith("lane:")) await core.deliverBatch(target);
  };
  const queue = new Proxy(engine.queue, {
    get: (port, name) => {
      const member = Reflect.get(port, name, port);
      if (name === "send") return send;
      return typeof member === "function" ? member.bind(port) : member;
    },
  });
  return { ...engine, queue };
}

/** Records a packet that is flagged as unsent and takes its message away. */
async function recordUnsent(core: Core, id: string): Promise<void> {
  await core.emit({ id, data: { new_rate: 68 } });
  await core.map({ ...core.engine, queue: withoutLaneMessages(core) });
  const [record] = (await core.packets()).slice(-1);
  if (!record) throw new Error("no packet was recorded");
  const [stored] = await core.engine.store.read("packet", [record.packet.id]);
  if (!stored) throw new Error("the packet is not stored");
  const value = { ...stored.value, progress: { ...stored.value.progress, unsent: true } };
  await core.engine.store.write([{ kind: "packet", id: record.packet.id, value, etag: stored.etag }]);
}

function withoutLaneMessages(core: Core): Engine["queue"] {
  return new Proxy(core.engine.queue, {
    get: (port, name) => {
      const member = Reflect.get(port, name, port);
      if (name !== "send") return typeof member === "function" ? member.bind(port) : member;
      return async (queue: QueueName, messages: readonly NewMessage[]) => {
        if (!queue.startsWith("lane:")) await core.engine.queue.send(queue, messages);
      };
    },
  });
}

/** Runs the watchdog and the worker ten times, a second apart. */
async function runTicks(core: Core): Promise<void> {
  for (let tick = 0; tick < 10; tick++) {
    await core.clock.advance(1_000);
    await runMaintenance(core.engine);
    await core.run();
  }
}

describe("a packet that is handled before its sender clears the unsent flag", () => {
  it("is parked once if the connector is paused", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    await pause(core.engine, target.connector, actor);
    await recordUnsent(core, "c-1");

    await sendUnsent(withPromptWorker(core, target), await core.engine.store.unsent(target.id, 10));
    await runTicks(core);

    const { packet, progress } = await core.only();
    expect(progress).toMatchObject({ status: "QUEUED", place: "outbox", puts: 1 });
    expect(progress.unsent).toBeUndefined();
    expect(await core.depth(`outbox:${target.id}`)).toBe(1);
    expect(await core.steps(packet.id)).toEqual(["QUEUED", "QUEUED"]);
  });

  it("waits behind the head of its strict lane once", async () => {
    const target = fakeTarget({ order: "strict" });
    await using core = await aCore({ targets: [target] });
    target.behave = () => refused("answered 422");
    await core.emit({ id: "c-1", data: { new_rate: 67 } });
    await core.run();
    await recordUnsent(core, "c-2");

    await sendUnsent(withPromptWorker(core, target), await core.engine.store.unsent(target.id, 10));
    await runTicks(core);

    const [, waiting] = await core.packets();
    expect(waiting?.progress).toMatchObject({ status: "QUEUED", place: "behind" });
    expect(waiting?.progress.unsent).toBeUndefined();
    expect(await core.steps(waiting?.packet.id ?? "")).toEqual(["QUEUED", "QUEUED"]);
  });
});
