import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Database } from "../../../platform/local/database.ts";
import { LocalQueue } from "../../../platform/local/queue.ts";
import { ManualClock } from "../../support/clock.ts";
import { home } from "../../support/home.ts";

const message = { group: "a", dedup: "same", body: "1" };

describe("embedded queue", () => {
  it("rejects a message that was not stored, and a repeat of it", async () => {
    await using opened = await aQueue();
    opened.readOnly(true);

    const sends = await Promise.allSettled([
      opened.queue.send("lane:Fake@v1", [message]),
      opened.queue.send("lane:Fake@v1", [message]),
    ]);

    expect(sends.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(await opened.queue.depth("lane:Fake@v1")).toEqual({ waiting: 0, inFlight: 0 });
  });

  it("accepts a retry of a message that was not stored", async () => {
    await using opened = await aQueue();
    opened.readOnly(true);
    await expect(opened.queue.send("lane:Fake@v1", [message])).rejects.toThrow(/did not accept the write/);
    opened.readOnly(false);

    await opened.queue.send("lane:Fake@v1", [message]);

    expect(await opened.queue.depth("lane:Fake@v1")).toEqual({ waiting: 1, inFlight: 0 });
  });

  it("stores one of two concurrent messages with the same id", async () => {
    await using opened = await aQueue();

    await Promise.all([opened.queue.send("lane:Fake@v1", [message]), opened.queue.send("lane:Fake@v1", [message])]);

    expect(await opened.queue.depth("lane:Fake@v1")).toEqual({ waiting: 1, inFlight: 0 });
  });

  it("keeps a message if its removal was not written", async () => {
    await using opened = await aQueue();
    await opened.queue.send("lane:Fake@v1", [message]);
    const [received] = await opened.queue.receive("lane:Fake@v1", { max: 1, visibilityMs: 1_000, waitMs: 0 });
    opened.readOnly(true);

    await expect(opened.queue.remove("lane:Fake@v1", [received?.receipt as string])).rejects.toThrow();

    opened.readOnly(false);
    await opened.clock.advance(1_001);
    expect(await opened.queue.receive("lane:Fake@v1", { max: 1, visibilityMs: 1_000, waitMs: 0 })).toHaveLength(1);
  });

  it("receives a message that another process sent between two of its own", async () => {
    using folder = home();
    const file = join(folder.path, "store.db");
    const [own, other] = [await Database.open(file), await Database.open(file)];
    const [queue, another] = [own, other].map((db) => new LocalQueue(db, new ManualClock())) as [
      LocalQueue,
      LocalQueue,
    ];
    const send = (sender: LocalQueue, group: string) => sender.send("lane:Fake@v1", [{ group, body: group }]);

    await send(queue, "first");
    await send(another, "between");
    await send(queue, "last");
    queue.refresh();

    const received = await queue.receive("lane:Fake@v1", { max: 10, visibilityMs: 1_000, waitMs: 0 });
    expect(received.map(({ body }) => body).sort()).toEqual(["between", "first", "last"]);
    await Promise.all([own.close(), other.close()]);
  });

  it("gives a waiting reader the messages that another reader leaves", async () => {
    await using opened = await aQueue();
    const receive = (max: number, waitMs: number) =>
      opened.queue.receive("lane:Fake@v1", { max, visibilityMs: 100_000, waitMs });
    await opened.queue.send("lane:Fake@v1", [message, { ...message, group: "b", dedup: "other" }]);
    const received = await receive(10, 0);
    const waiting = receive(10, 60_000);
    await opened.queue.delay(
      "lane:Fake@v1",
      received.map(({ receipt }) => ({ receipt, ms: 50 })),
    );

    const first = receive(1, 60_000);
    await opened.clock.advance(50);

    expect([(await first).length, (await waiting).length]).toEqual([1, 1]);
  }, 2_000);

  it("moves messages in small batches at the given rate, so that new messages wait behind few", async () => {
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

  it("deletes only expired deduplication ids", async () => {
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
