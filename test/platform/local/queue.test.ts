import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Database } from "../../../platform/local/database.ts";
import { LocalQueue } from "../../../platform/local/queue.ts";
import { ManualClock } from "../../support/clock.ts";
import { home } from "../../support/home.ts";

const message = { group: "a", dedup: "same", body: "1" };

describe("the embedded queue", () => {
  it("tells nobody that a message is stored before it is, a repeat neither", async () => {
    await using opened = await aQueue();
    opened.readOnly(true);

    const sends = await Promise.allSettled([
      opened.queue.send("lane:Fake@v1", [message]),
      opened.queue.send("lane:Fake@v1", [message]),
    ]);

    expect(sends.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(await opened.queue.depth("lane:Fake@v1")).toEqual({ waiting: 0, inFlight: 0 });
  });

  it("takes a second try of what was not stored for no repeat", async () => {
    await using opened = await aQueue();
    opened.readOnly(true);
    await expect(opened.queue.send("lane:Fake@v1", [message])).rejects.toThrow(/did not take the write/);
    opened.readOnly(false);

    await opened.queue.send("lane:Fake@v1", [message]);

    expect(await opened.queue.depth("lane:Fake@v1")).toEqual({ waiting: 1, inFlight: 0 });
  });

  it("stores one of two that are sent at once under one id", async () => {
    await using opened = await aQueue();

    await Promise.all([opened.queue.send("lane:Fake@v1", [message]), opened.queue.send("lane:Fake@v1", [message])]);

    expect(await opened.queue.depth("lane:Fake@v1")).toEqual({ waiting: 1, inFlight: 0 });
  });

  it("keeps a message whose removal was not written", async () => {
    await using opened = await aQueue();
    await opened.queue.send("lane:Fake@v1", [message]);
    const [given] = await opened.queue.receive("lane:Fake@v1", { max: 1, visibilityMs: 1_000, waitMs: 0 });
    opened.readOnly(true);

    await expect(opened.queue.remove("lane:Fake@v1", [given?.receipt as string])).rejects.toThrow();

    opened.readOnly(false);
    await opened.clock.advance(1_001);
    expect(await opened.queue.receive("lane:Fake@v1", { max: 1, visibilityMs: 1_000, waitMs: 0 })).toHaveLength(1);
  });

  it("takes up what another process has sent between two messages of its own", async () => {
    using folder = home();
    const file = join(folder.path, "store.db");
    const [own, other] = [await Database.open(file), await Database.open(file)];
    const [queue, another] = [own, other].map((db) => new LocalQueue(db, new ManualClock())) as [
      LocalQueue,
      LocalQueue,
    ];
    const send = (by: LocalQueue, group: string) => by.send("lane:Fake@v1", [{ group, body: group }]);

    await send(queue, "first");
    await send(another, "between");
    await send(queue, "last");
    queue.refresh();

    const taken = await queue.receive("lane:Fake@v1", { max: 10, visibilityMs: 1_000, waitMs: 0 });
    expect(taken.map(({ body }) => body).sort()).toEqual(["between", "first", "last"]);
    await Promise.all([own.close(), other.close()]);
  });

  it("wakes one who waits for what another has left", async () => {
    await using opened = await aQueue();
    const receive = (max: number, waitMs: number) =>
      opened.queue.receive("lane:Fake@v1", { max, visibilityMs: 100_000, waitMs });
    await opened.queue.send("lane:Fake@v1", [message, { ...message, group: "b", dedup: "other" }]);
    const taken = await receive(10, 0);
    const waiting = receive(10, 60_000);
    await opened.queue.delay(
      "lane:Fake@v1",
      taken.map(({ receipt }) => ({ receipt, ms: 50 })),
    );

    const first = receive(1, 60_000);
    await opened.clock.advance(50);

    expect([(await first).length, (await waiting).length]).toEqual([1, 1]);
  }, 2_000);

  it("moves a call's worth at a time, and keeps the rate: what happens now waits behind few", async () => {
    await using opened = await aQueue();
    for (let i = 0; i < 20; i++) {
      await opened.queue.send(
        "outbox:Fake@v1",
        Array.from({ length: 10 }, (_, n) => ({ group: `${i}.${n}`, body: "1" })),
      );
    }
    const moved = async () => (await opened.queue.depth("lane:Fake@v1")).waiting;

    await opened.queue.startMove("outbox:Fake@v1", 500);
    const counts: number[] = [];
    for (let ms = 0; ms < 200; ms += 20) {
      await opened.clock.advance(20);
      counts.push(await moved());
    }

    expect(counts).toEqual([20, 30, 40, 50, 60, 70, 80, 90, 100, 110]);
    await opened.clock.advance(1_000);
    expect(await opened.queue.isMoving("outbox:Fake@v1")).toBe(false);
    expect(await moved()).toBe(200);
  });

  it("forgets ids whose time is over, and no others", async () => {
    await using opened = await aQueue();
    await opened.queue.send("lane:Fake@v1", [message]);
    await opened.clock.advance(200_000);
    await opened.queue.send("lane:Fake@v1", [{ ...message, dedup: "later" }]);
    await opened.clock.advance(150_000);

    await opened.queue.purgeExpired();

    expect(opened.db.sql("SELECT id FROM dedup").all()).toEqual([{ id: "lane:Fake@v1 later" }]);
  });
});

async function aQueue() {
  const clock = new ManualClock();
  const db = await Database.open(undefined);
  const queue = new LocalQueue(db, clock);
  return {
    clock,
    db,
    queue,
    readOnly: (is: boolean) => void db.sql(`PRAGMA query_only = ${is ? "ON" : "OFF"}`).all(),
    async [Symbol.asyncDispose]() {
      await queue.end();
      await db.close();
    },
  };
}
