import { describe, expect, type TestFunction, it as vitestIt } from "vitest";
import {
  type DeadLetters,
  type Message,
  maxReceives,
  type NewMessage,
  type QueueName,
  type QueuePort,
} from "../../bridge/ports/queue.ts";

/** One engine's queues, empty, with a clock that a test can advance. */
export interface QueueFixture extends AsyncDisposable {
  /** The current port. `reopen` replaces it. */
  readonly port: QueuePort;
  /** Advances the queues' clock. */
  advance(ms: number): Promise<void>;
  /** Simulates a restart of the process on the same store. Absent if the queues are remote or not durable. */
  reopen?(): Promise<void>;
}

const lane: QueueName = "lane:Fake@v1";
const outbox: DeadLetters = "outbox:Fake@v1";
const visibilityMs = 30_000;

/**
 * Checks an engine's queues against the rules of SQS FIFO.
 *
 * @param gaps known failures of an emulator: the test's title to the reason. Such a test must fail; it is reported as
 *   soon as it passes.
 */
export function queueContract(
  engine: string,
  makeFixture: () => Promise<QueueFixture>,
  gaps: Readonly<Record<string, string>> = {},
): void {
  const it = (title: string, test: TestFunction) =>
    gaps[title] === undefined
      ? vitestIt(title, test)
      : vitestIt.fails(`${title} (expected to fail: ${gaps[title]})`, test);

  describe(`queues of ${engine}`, () => {
    it("delivers a message once and never again after its removal", async () => {
      await using fixture = await makeFixture();
      await fixture.port.send(lane, [aMessage("a", "1")]);

      const [message] = await take(fixture.port);
      await fixture.port.remove(lane, receiptsOf([message as Message]));
      await fixture.advance(visibilityMs + 1);

      expect(message).toMatchObject({ group: "a", body: "1", receiveCount: 1 });
      expect(await take(fixture.port)).toEqual([]);
      expect(await fixture.port.depth(lane)).toEqual({ waiting: 0, inFlight: 0 });
    });

    it("delivers a message only from the queue to which it was sent", async () => {
      await using fixture = await makeFixture();
      await fixture.port.send(lane, [aMessage("a", "1")]);

      expect(await take(fixture.port, 10, outbox)).toEqual([]);
      expect(await take(fixture.port, 10, "inbox")).toEqual([]);
      expect(bodies(await take(fixture.port))).toEqual(["1"]);
    });

    it("delivers any Unicode text unchanged, up to 256 KiB on a lane and 1 MiB on the inbox", async () => {
      await using fixture = await makeFixture();
      const texts = ['{"a":"é – 😀 \\u0000"}', "€".repeat(87_381), "x".repeat(262_144)];

      for (const [i, body] of texts.entries()) await fixture.port.send(lane, [aMessage(`g${i}`, body)]);
      await fixture.port.send("inbox", [{ group: "g", body: "y".repeat(1_048_576) }]);

      expect(bodies(await take(fixture.port)).sort()).toEqual([...texts].sort());
      expect((await take(fixture.port, 1, "inbox"))[0]?.body.length).toBe(1_048_576);
      await expect(fixture.port.send("inbox", [{ group: "g", body: "é".repeat(524_289) }])).rejects.toThrow();
    });

    it("accepts 1 MiB in one call and rejects one byte more", async () => {
      await using fixture = await makeFixture();
      const four = Array.from({ length: 4 }, (_, i) => aMessage(`g${i}`, "é".repeat(131_072)));
      const more = { ...aMessage("g4", "x"), group: "g4" };

      await expect(fixture.port.send(lane, [...four, more])).rejects.toThrow();
      await fixture.port.send(lane, four);

      expect(await take(fixture.port)).toHaveLength(4);
    });

    it("accepts and returns ten messages per call and rejects eleven", async () => {
      await using fixture = await makeFixture();
      const eleven = Array.from({ length: 11 }, (_, i) => aMessage(`g${i}`, `${i}`));

      await expect(fixture.port.send(lane, eleven)).rejects.toThrow();
      await fixture.port.send(lane, eleven.slice(0, 10));
      await fixture.port.send(lane, eleven.slice(10));

      await expect(take(fixture.port, 11)).rejects.toThrow();
      expect(await take(fixture.port, 10)).toHaveLength(10);
      expect(await take(fixture.port, 10)).toHaveLength(1);
    });

    it("delivers the messages of a group in the order in which they were sent", async () => {
      await using fixture = await makeFixture();
      for (let i = 0; i < 5; i++) await fixture.port.send(lane, [aMessage("a", `a${i}`), aMessage("b", `b${i}`)]);

      const received = await drain(fixture.port);

      expect(received.filter((body) => body.startsWith("a"))).toEqual(["a0", "a1", "a2", "a3", "a4"]);
      expect(received.filter((body) => body.startsWith("b"))).toEqual(["b0", "b1", "b2", "b3", "b4"]);
    });

    it("withholds a group while one of its messages is in flight", async () => {
      await using fixture = await makeFixture();
      await fixture.port.send(lane, [aMessage("a", "a1"), aMessage("a", "a2"), aMessage("b", "b1")]);

      const [first] = await take(fixture.port, 1);
      const others = await take(fixture.port);
      await fixture.port.send(lane, [aMessage("a", "a3")]);
      const meanwhile = await take(fixture.port);
      await fixture.port.remove(lane, receiptsOf([first as Message]));

      expect(first?.body).toBe("a1");
      expect(bodies(others)).toEqual(["b1"]);
      expect(meanwhile).toEqual([]);
      expect(bodies(await take(fixture.port))).toEqual(["a2", "a3"]);
    });

    it("withholds a group while a later message is in flight, even if the first is visible again", async () => {
      await using fixture = await makeFixture();
      await fixture.port.send(lane, [aMessage("a", "1"), aMessage("a", "2")]);
      const [first, second] = (await take(fixture.port)) as [Message, Message];

      await fixture.port.delay(lane, [{ receipt: first.receipt, ms: 0 }]);

      expect(await take(fixture.port)).toEqual([]);
      expect(await fixture.port.depth(lane)).toEqual({ waiting: 1, inFlight: 1 });
      await fixture.port.delay(lane, [{ receipt: second.receipt, ms: 0 }]);
      expect(bodies(await take(fixture.port))).toEqual(["1", "2"]);
    });

    it("redelivers a message when its visibility timeout ends and counts the receives", async () => {
      await using fixture = await makeFixture();
      await fixture.port.send(lane, [aMessage("a", "1")]);

      const counts: number[] = [];
      for (let i = 0; i < 3; i++) {
        counts.push((await take(fixture.port))[0]?.receiveCount as number);
        expect(await take(fixture.port)).toEqual([]);
        await fixture.advance(visibilityMs + 1);
      }

      expect(counts).toEqual([1, 2, 3]);
    });

    it("ignores an expired receipt", async () => {
      await using fixture = await makeFixture();
      await fixture.port.send(lane, [aMessage("a", "1")]);
      const [stale] = (await take(fixture.port)) as [Message];
      await fixture.advance(visibilityMs + 1);

      await fixture.port.remove(lane, [stale.receipt]);
      const [again] = (await take(fixture.port)) as [Message];
      await fixture.port.remove(lane, [stale.receipt]);
      await fixture.port.delay(lane, [{ receipt: stale.receipt, ms: 0 }]);

      expect(again.receiveCount).toBe(2);
      expect(await take(fixture.port)).toEqual([]);
      expect((await fixture.port.depth(lane)).inFlight).toBe(1);
    });

    it("makes a message visible when its delay ends, at once if the delay is 0", async () => {
      await using fixture = await makeFixture();
      await fixture.port.send(lane, [aMessage("a", "1")]);

      const [first] = (await take(fixture.port)) as [Message];
      await fixture.port.delay(lane, [{ receipt: first.receipt, ms: 0 }]);
      const [second] = (await take(fixture.port)) as [Message];
      await fixture.port.delay(lane, [{ receipt: second.receipt, ms: 5_000 }]);
      await fixture.advance(4_000);
      const early = await take(fixture.port);
      await fixture.advance(1_001);

      expect(early).toEqual([]);
      expect(bodies(await take(fixture.port))).toEqual(["1"]);
    });

    it("keeps the order of a group after all its messages were delayed", async () => {
      await using fixture = await makeFixture();
      await fixture.port.send(lane, [aMessage("a", "1"), aMessage("a", "2"), aMessage("a", "3")]);

      const received = await take(fixture.port);
      await fixture.port.delay(
        lane,
        receiptsOf(received).map((receipt) => ({ receipt, ms: 2_000 })),
      );
      await fixture.advance(2_001);

      expect(bodies(await take(fixture.port))).toEqual(["1", "2", "3"]);
    });

    it("drops a repeated deduplication id for 5 min, even after the message was removed, and accepts it afterwards", async () => {
      await using fixture = await makeFixture();
      await fixture.port.send(lane, [aMessage("a", "1", "same"), aMessage("a", "1 again", "same")]);
      await fixture.port.remove(lane, receiptsOf(await take(fixture.port)));

      await fixture.advance(299_000);
      await fixture.port.send(lane, [aMessage("a", "2", "same"), aMessage("a", "3", "another")]);
      expect(await drain(fixture.port)).toEqual(["3"]);
      await fixture.advance(2_000);
      await fixture.port.send(lane, [aMessage("a", "4", "same")]);

      expect(await drain(fixture.port)).toEqual(["4"]);
    });

    it("deduplicates per queue and accepts every message without a deduplication id", async () => {
      await using fixture = await makeFixture();

      await fixture.port.send(lane, [aMessage("a", "1", "same")]);
      await fixture.port.send(outbox, [aMessage("a", "1", "same")]);
      await fixture.port.send("inbox", [{ group: "a", body: "1" }]);
      await fixture.port.send("inbox", [{ group: "b", body: "1" }]);

      expect(await fixture.port.depth(lane)).toMatchObject({ waiting: 1 });
      expect(await fixture.port.depth(outbox)).toMatchObject({ waiting: 1 });
      expect(await fixture.port.depth("inbox")).toMatchObject({ waiting: 2 });
    });

    it(`moves a message received ${maxReceives} times without removal to the dead-letter queue`, async () => {
      await using fixture = await makeFixture();
      await fixture.port.send(lane, [aMessage("a", "poison"), aMessage("b", "fine")]);
      await fixture.port.send("inbox", [{ group: "c", body: "stuck" }]);

      for (let i = 0; i < maxReceives; i++) {
        const received = [...(await take(fixture.port)), ...(await take(fixture.port, 10, "inbox"))];
        expect(received.map(({ body }) => body)).toContain("poison");
        const fine = received.filter(({ body }) => body === "fine");
        await fixture.port.remove(lane, receiptsOf(fine));
        await fixture.advance(visibilityMs + 1);
      }

      expect(await take(fixture.port)).toEqual([]);
      expect(await take(fixture.port, 10, "inbox")).toEqual([]);
      await eventually(fixture, async () => (await fixture.port.depth(outbox)).waiting === 1);
      await eventually(fixture, async () => (await fixture.port.depth("inbox-dead")).waiting === 1);
      expect(bodies(await take(fixture.port, 10, outbox))).toEqual(["poison"]);
    });

    it("moves a whole outbox back to its lane in order, without exceeding the rate", async () => {
      await using fixture = await makeFixture();
      await sendAll(fixture.port, outbox, 40);

      await fixture.port.startMove("outbox:Fake@v1", 10);
      await fixture.port.startMove("outbox:Fake@v1", 10);
      await fixture.advance(1_000);
      const afterASecond = 40 - (await fixture.port.depth(outbox)).waiting;
      expect(await fixture.port.isMoving("outbox:Fake@v1")).toBe(true);
      await eventually(fixture, async () => !(await fixture.port.isMoving("outbox:Fake@v1")));

      expect(afterASecond).toBeLessThanOrEqual(15);
      expect(await fixture.port.depth(outbox)).toEqual({ waiting: 0, inFlight: 0 });
      const moved = await drain(fixture.port);
      for (let group = 0; group < 4; group++) {
        const own = moved.filter((body) => Number(body) % 4 === group).map(Number);
        expect(own).toEqual(own.toSorted((a, b) => a - b));
        expect(own).toHaveLength(10);
      }
    });

    it("stops a move partway and finishes it with a second, faster move", async () => {
      await using fixture = await makeFixture();
      await sendAll(fixture.port, outbox, 40);

      await fixture.port.startMove(outbox, 10);
      await fixture.advance(1_000);
      await fixture.port.stopMove(outbox);
      expect(await fixture.port.isMoving(outbox)).toBe(false);
      const left = (await fixture.port.depth(outbox)).waiting;
      await fixture.advance(2_000);
      expect((await fixture.port.depth(outbox)).waiting).toBe(left);
      expect(left).toBeGreaterThan(20);

      await fixture.port.startMove(outbox, 500);
      await eventually(fixture, async () => !(await fixture.port.isMoving(outbox)));
      expect(await drain(fixture.port)).toHaveLength(40);
      await fixture.port.stopMove(outbox);
    });

    it("ends a move of an empty outbox and accepts the next move", async () => {
      await using fixture = await makeFixture();

      await fixture.port.startMove("outbox:Fake@v1", 500);
      await eventually(fixture, async () => !(await fixture.port.isMoving("outbox:Fake@v1")));
      await fixture.port.send(outbox, [aMessage("a", "1")]);
      await fixture.port.startMove("outbox:Fake@v1", 500);
      await eventually(fixture, async () => !(await fixture.port.isMoving("outbox:Fake@v1")));

      expect(bodies(await take(fixture.port))).toEqual(["1"]);
    });

    it("moves the inbox's dead letters back to the inbox", async () => {
      await using fixture = await makeFixture();
      await fixture.port.send("inbox-dead", [{ group: "a", body: "1" }]);

      await fixture.port.startMove("inbox-dead", 500);
      await eventually(fixture, async () => !(await fixture.port.isMoving("inbox-dead")));

      expect(bodies(await take(fixture.port, 10, "inbox"))).toEqual(["1"]);
    });

    it("moves only the named connector's outbox", async () => {
      await using fixture = await makeFixture();
      await fixture.port.send(outbox, [aMessage("a", "1")]);
      await fixture.port.send("outbox:Other@v1", [aMessage("a", "2")]);

      await fixture.port.startMove("outbox:Other@v1", 500);
      await eventually(fixture, async () => (await fixture.port.depth("outbox:Other@v1")).waiting === 0);

      expect(await fixture.port.depth(outbox)).toMatchObject({ waiting: 1 });
      expect(await fixture.port.depth(lane)).toMatchObject({ waiting: 0 });
    });

    it("counts the waiting messages and those in flight", async () => {
      await using fixture = await makeFixture();
      await fixture.port.send(lane, [aMessage("a", "1"), aMessage("a", "2"), aMessage("b", "3")]);

      await take(fixture.port, 1);

      expect(await fixture.port.depth(lane)).toEqual({ waiting: 2, inFlight: 1 });
    });

    it("waits for a message for at most the requested time", async () => {
      await using fixture = await makeFixture();

      const waiting = fixture.port.receive(lane, { max: 10, visibilityMs, waitMs: 20_000 });
      await fixture.advance(1_000);
      await fixture.port.send(lane, [aMessage("a", "1")]);
      expect(bodies(await waiting)).toEqual(["1"]);

      const nothing = fixture.port.receive(lane, { max: 10, visibilityMs, waitMs: 5_000 });
      await fixture.advance(5_001);
      expect(await nothing).toEqual([]);
    });

    it("ends a wait when its signal aborts", async () => {
      await using fixture = await makeFixture();
      const ended = new AbortController();

      const waiting = fixture.port.receive(lane, { max: 10, visibilityMs, waitMs: 20_000, signal: ended.signal });
      ended.abort();

      expect(await waiting).toEqual([]);
    });

    it("delivers a message to a waiting reader when its delay ends", async () => {
      await using fixture = await makeFixture();
      await fixture.port.send(lane, [aMessage("a", "1")]);
      const [first] = (await take(fixture.port)) as [Message];
      await fixture.port.delay(lane, [{ receipt: first.receipt, ms: 3_000 }]);

      const waiting = fixture.port.receive(lane, { max: 10, visibilityMs, waitMs: 20_000 });
      await fixture.advance(3_001);

      expect(bodies(await waiting)).toEqual(["1"]);
    });

    it("delivers each message to one of several concurrent readers and each group to one reader at a time", async () => {
      await using fixture = await makeFixture();
      await sendAll(fixture.port, lane, 60);

      const order = new Map<number, number[]>();
      const reader = async () => {
        for (;;) {
          const received = await take(fixture.port, 3);
          if (received.length === 0) return;
          for (const { body } of received) {
            const group = Number(body) % 4;
            order.set(group, [...(order.get(group) ?? []), Number(body)]);
          }
          await fixture.port.remove(lane, receiptsOf(received));
        }
      };
      while ((await fixture.port.depth(lane)).waiting > 0) await Promise.all([reader(), reader(), reader(), reader()]);

      const all = [...order.values()];
      expect(all.flat()).toHaveLength(60);
      for (const own of all) expect(own).toEqual(own.toSorted((a, b) => a - b));
    });

    it("keeps messages, removals and deduplication ids across a restart", async (context) => {
      await using fixture = await makeFixture();
      if (!fixture.reopen) return context.skip();
      await fixture.port.send(lane, [
        aMessage("a", "1", "one"),
        aMessage("a", "2", "two"),
        aMessage("b", "3", "three"),
      ]);
      const received = await take(fixture.port);
      await fixture.port.remove(lane, receiptsOf(received.filter(({ body }) => body === "3")));

      await fixture.reopen();
      await fixture.port.send(lane, [
        aMessage("a", "1", "one"),
        aMessage("b", "3", "three"),
        aMessage("c", "4", "four"),
      ]);

      expect((await drain(fixture.port)).sort()).toEqual(["1", "2", "4"]);
    });
  });
}

let messages = 0;

function aMessage(group: string, body: string, dedup = `m${messages++}`): NewMessage {
  return { group, dedup, body };
}

async function sendAll(port: QueuePort, queue: QueueName, count: number): Promise<void> {
  for (let i = 0; i < count; i += 10) {
    await port.send(
      queue,
      Array.from({ length: Math.min(10, count - i) }, (_, j) => aMessage(`g${(i + j) % 4}`, `${i + j}`)),
    );
  }
}

function take(port: QueuePort, max = 10, queue: QueueName = lane): Promise<Message[]> {
  return port.receive(queue, { max, visibilityMs, waitMs: 0 });
}

async function drain(port: QueuePort): Promise<string[]> {
  const all: string[] = [];
  for (let received = await take(port); received.length > 0; received = await take(port)) {
    all.push(...bodies(received));
    await port.remove(lane, receiptsOf(received));
  }
  return all;
}

function bodies(received: readonly Message[]): string[] {
  return received.map(({ body }) => body);
}

function receiptsOf(received: readonly Message[]): string[] {
  return received.map(({ receipt }) => receipt);
}

/** Advances the clock until the condition is true. The test's timeout ends the loop otherwise. */
async function eventually(fixture: QueueFixture, condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) {
    await fixture.advance(100);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
