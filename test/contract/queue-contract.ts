import { describe, expect, type TestFunction, it as testThat } from "vitest";
import {
  type DeadLetters,
  type Message,
  maxReceives,
  type NewMessage,
  type QueueName,
  type QueuePort,
} from "../../bridge/ports/queue.ts";

/** An engine's queues, empty, with a clock a test can turn. */
export interface QueueFixture extends AsyncDisposable {
  /** As it is now: another after `reopen`. */
  readonly port: QueuePort;
  /** Lets so much time pass for the queues. */
  advance(ms: number): Promise<void>;
  /** Ends the process and begins anew on the same store; absent where the queues live elsewhere or nowhere. */
  reopen?(): Promise<void>;
}

const lane: QueueName = "lane:Fake@v1";
const outbox: DeadLetters = "outbox:Fake@v1";
const visibilityMs = 30_000;

/**
 * The rules of SQS FIFO, which every engine's queues keep.
 *
 * @param gaps a promise's name to why what stands for the engine's queues here is known to break it; the test then
 *   fails when it no longer does
 */
export function queueContract(
  engine: string,
  makeFixture: () => Promise<QueueFixture>,
  gaps: Readonly<Record<string, string>> = {},
): void {
  const it = (promise: string, test: TestFunction) =>
    gaps[promise] === undefined
      ? testThat(promise, test)
      : testThat.fails(`${promise} (not here: ${gaps[promise]})`, test);

  describe(`queues of ${engine}`, () => {
    it("give what was sent, once, until it is removed", async () => {
      await using fixture = await makeFixture();
      await fixture.port.send(lane, [aMessage("a", "1")]);

      const [message] = await take(fixture.port);
      await fixture.port.remove(lane, receiptsOf([message as Message]));
      await fixture.advance(visibilityMs + 1);

      expect(message).toMatchObject({ group: "a", body: "1", receiveCount: 1 });
      expect(await take(fixture.port)).toEqual([]);
      expect(await fixture.port.depth(lane)).toEqual({ waiting: 0, inFlight: 0 });
    });

    it("keep every queue to itself", async () => {
      await using fixture = await makeFixture();
      await fixture.port.send(lane, [aMessage("a", "1")]);

      expect(await take(fixture.port, 10, outbox)).toEqual([]);
      expect(await take(fixture.port, 10, "inbox")).toEqual([]);
      expect(bodies(await take(fixture.port))).toEqual(["1"]);
    });

    it("carry any Unicode text unchanged, up to 256 KiB on a lane and 1 MiB on the inbox", async () => {
      await using fixture = await makeFixture();
      const texts = ['{"a":"é – 😀 \\u0000"}', "€".repeat(87_381), "x".repeat(262_144)];

      for (const [i, body] of texts.entries()) await fixture.port.send(lane, [aMessage(`g${i}`, body)]);
      await fixture.port.send("inbox", [{ group: "g", body: "y".repeat(1_048_576) }]);

      expect(bodies(await take(fixture.port)).sort()).toEqual([...texts].sort());
      expect((await take(fixture.port, 1, "inbox"))[0]?.body.length).toBe(1_048_576);
      await expect(fixture.port.send("inbox", [{ group: "g", body: "é".repeat(524_289) }])).rejects.toThrow();
    });

    it("take 1 MiB in a call and not a byte more", async () => {
      await using fixture = await makeFixture();
      const four = Array.from({ length: 4 }, (_, i) => aMessage(`g${i}`, "é".repeat(131_072)));
      const more = { ...aMessage("g4", "x"), group: "g4" };

      await expect(fixture.port.send(lane, [...four, more])).rejects.toThrow();
      await fixture.port.send(lane, four);

      expect(await take(fixture.port)).toHaveLength(4);
    });

    it("take ten messages in a call and not eleven", async () => {
      await using fixture = await makeFixture();
      const eleven = Array.from({ length: 11 }, (_, i) => aMessage(`g${i}`, `${i}`));

      await expect(fixture.port.send(lane, eleven)).rejects.toThrow();
      await fixture.port.send(lane, eleven.slice(0, 10));
      await fixture.port.send(lane, eleven.slice(10));

      await expect(take(fixture.port, 11)).rejects.toThrow();
      expect(await take(fixture.port, 10)).toHaveLength(10);
      expect(await take(fixture.port, 10)).toHaveLength(1);
    });

    it("give the messages of a group in the order they were sent", async () => {
      await using fixture = await makeFixture();
      for (let i = 0; i < 5; i++) await fixture.port.send(lane, [aMessage("a", `a${i}`), aMessage("b", `b${i}`)]);

      const given = await drain(fixture.port);

      expect(given.filter((body) => body.startsWith("a"))).toEqual(["a0", "a1", "a2", "a3", "a4"]);
      expect(given.filter((body) => body.startsWith("b"))).toEqual(["b0", "b1", "b2", "b3", "b4"]);
    });

    it("give nothing of a group while one of its messages is in flight", async () => {
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

    it("keep a group back while a later one of its messages is in flight, though the first is visible again", async () => {
      await using fixture = await makeFixture();
      await fixture.port.send(lane, [aMessage("a", "1"), aMessage("a", "2")]);
      const [first, second] = (await take(fixture.port)) as [Message, Message];

      await fixture.port.delay(lane, [{ receipt: first.receipt, ms: 0 }]);

      expect(await take(fixture.port)).toEqual([]);
      expect(await fixture.port.depth(lane)).toEqual({ waiting: 1, inFlight: 1 });
      await fixture.port.delay(lane, [{ receipt: second.receipt, ms: 0 }]);
      expect(bodies(await take(fixture.port))).toEqual(["1", "2"]);
    });

    it("give a message again when its visibility ends, and count how often", async () => {
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

    it("ignore a receipt whose time ran out, and one they never gave", async () => {
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

    it("make a message visible at once with a delay of 0, and after its delay with any other", async () => {
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

    it("keep the order of a group whose messages were all put off", async () => {
      await using fixture = await makeFixture();
      await fixture.port.send(lane, [aMessage("a", "1"), aMessage("a", "2"), aMessage("a", "3")]);

      const given = await take(fixture.port);
      await fixture.port.delay(
        lane,
        receiptsOf(given).map((receipt) => ({ receipt, ms: 2_000 })),
      );
      await fixture.advance(2_001);

      expect(bodies(await take(fixture.port))).toEqual(["1", "2", "3"]);
    });

    it("swallow a repeated deduplication id for 5 min, though the message is gone, and not after", async () => {
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

    it("swallow a repeat in each queue for itself, and none without an id on the inbox", async () => {
      await using fixture = await makeFixture();

      await fixture.port.send(lane, [aMessage("a", "1", "same")]);
      await fixture.port.send(outbox, [aMessage("a", "1", "same")]);
      await fixture.port.send("inbox", [{ group: "a", body: "1" }]);
      await fixture.port.send("inbox", [{ group: "b", body: "1" }]);

      expect(await fixture.port.depth(lane)).toMatchObject({ waiting: 1 });
      expect(await fixture.port.depth(outbox)).toMatchObject({ waiting: 1 });
      expect(await fixture.port.depth("inbox")).toMatchObject({ waiting: 2 });
    });

    it(`move what was received ${maxReceives} times and never removed to the dead-letter queue`, async () => {
      await using fixture = await makeFixture();
      await fixture.port.send(lane, [aMessage("a", "poison"), aMessage("b", "fine")]);
      await fixture.port.send("inbox", [{ group: "c", body: "stuck" }]);

      for (let i = 0; i < maxReceives; i++) {
        const given = [...(await take(fixture.port)), ...(await take(fixture.port, 10, "inbox"))];
        expect(given.map(({ body }) => body)).toContain("poison");
        const fine = given.filter(({ body }) => body === "fine");
        await fixture.port.remove(lane, receiptsOf(fine));
        await fixture.advance(visibilityMs + 1);
      }

      expect(await take(fixture.port)).toEqual([]);
      expect(await take(fixture.port, 10, "inbox")).toEqual([]);
      await eventually(fixture, async () => (await fixture.port.depth(outbox)).waiting === 1);
      await eventually(fixture, async () => (await fixture.port.depth("inbox-dead")).waiting === 1);
      expect(bodies(await take(fixture.port, 10, outbox))).toEqual(["poison"]);
    });

    it("move a whole outbox back in order, at no more than the rate", async () => {
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

    it("stop a move where it is, and let another go on faster", async () => {
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

    it("end a move of an empty outbox, and let another begin", async () => {
      await using fixture = await makeFixture();

      await fixture.port.startMove("outbox:Fake@v1", 500);
      await eventually(fixture, async () => !(await fixture.port.isMoving("outbox:Fake@v1")));
      await fixture.port.send(outbox, [aMessage("a", "1")]);
      await fixture.port.startMove("outbox:Fake@v1", 500);
      await eventually(fixture, async () => !(await fixture.port.isMoving("outbox:Fake@v1")));

      expect(bodies(await take(fixture.port))).toEqual(["1"]);
    });

    it("move what the inbox gave up back to the inbox", async () => {
      await using fixture = await makeFixture();
      await fixture.port.send("inbox-dead", [{ group: "a", body: "1" }]);

      await fixture.port.startMove("inbox-dead", 500);
      await eventually(fixture, async () => !(await fixture.port.isMoving("inbox-dead")));

      expect(bodies(await take(fixture.port, 10, "inbox"))).toEqual(["1"]);
    });

    it("move one connector's outbox and no other's", async () => {
      await using fixture = await makeFixture();
      await fixture.port.send(outbox, [aMessage("a", "1")]);
      await fixture.port.send("outbox:Other@v1", [aMessage("a", "2")]);

      await fixture.port.startMove("outbox:Other@v1", 500);
      await eventually(fixture, async () => (await fixture.port.depth("outbox:Other@v1")).waiting === 0);

      expect(await fixture.port.depth(outbox)).toMatchObject({ waiting: 1 });
      expect(await fixture.port.depth(lane)).toMatchObject({ waiting: 0 });
    });

    it("tell how many wait and how many are in flight", async () => {
      await using fixture = await makeFixture();
      await fixture.port.send(lane, [aMessage("a", "1"), aMessage("a", "2"), aMessage("b", "3")]);

      await take(fixture.port, 1);

      expect(await fixture.port.depth(lane)).toEqual({ waiting: 2, inFlight: 1 });
    });

    it("wait for a message so long, and no longer", async () => {
      await using fixture = await makeFixture();

      const waiting = fixture.port.receive(lane, { max: 10, visibilityMs, waitMs: 20_000 });
      await fixture.advance(1_000);
      await fixture.port.send(lane, [aMessage("a", "1")]);
      expect(bodies(await waiting)).toEqual(["1"]);

      const nothing = fixture.port.receive(lane, { max: 10, visibilityMs, waitMs: 5_000 });
      await fixture.advance(5_001);
      expect(await nothing).toEqual([]);
    });

    it("end a wait when its signal aborts", async () => {
      await using fixture = await makeFixture();
      const ended = new AbortController();

      const waiting = fixture.port.receive(lane, { max: 10, visibilityMs, waitMs: 20_000, signal: ended.signal });
      ended.abort();

      expect(await waiting).toEqual([]);
    });

    it("give a waiting reader what becomes visible again", async () => {
      await using fixture = await makeFixture();
      await fixture.port.send(lane, [aMessage("a", "1")]);
      const [first] = (await take(fixture.port)) as [Message];
      await fixture.port.delay(lane, [{ receipt: first.receipt, ms: 3_000 }]);

      const waiting = fixture.port.receive(lane, { max: 10, visibilityMs, waitMs: 20_000 });
      await fixture.advance(3_001);

      expect(bodies(await waiting)).toEqual(["1"]);
    });

    it("give every message to one of many readers at once, and each group to one at a time", async () => {
      await using fixture = await makeFixture();
      await sendAll(fixture.port, lane, 60);

      const order = new Map<number, number[]>();
      const reader = async () => {
        for (;;) {
          const given = await take(fixture.port, 3);
          if (given.length === 0) return;
          for (const { body } of given) {
            const group = Number(body) % 4;
            order.set(group, [...(order.get(group) ?? []), Number(body)]);
          }
          await fixture.port.remove(lane, receiptsOf(given));
        }
      };
      while ((await fixture.port.depth(lane)).waiting > 0) await Promise.all([reader(), reader(), reader(), reader()]);

      const all = [...order.values()];
      expect(all.flat()).toHaveLength(60);
      for (const own of all) expect(own).toEqual(own.toSorted((a, b) => a - b));
    });

    it("keep, over a restart, what was sent, what was removed, and which ids were seen", async (context) => {
      await using fixture = await makeFixture();
      if (!fixture.reopen) return context.skip();
      await fixture.port.send(lane, [
        aMessage("a", "1", "one"),
        aMessage("a", "2", "two"),
        aMessage("b", "3", "three"),
      ]);
      const given = await take(fixture.port);
      await fixture.port.remove(lane, receiptsOf(given.filter(({ body }) => body === "3")));

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
  for (let given = await take(port); given.length > 0; given = await take(port)) {
    all.push(...bodies(given));
    await port.remove(lane, receiptsOf(given));
  }
  return all;
}

function bodies(given: readonly Message[]): string[] {
  return given.map(({ body }) => body);
}

function receiptsOf(given: readonly Message[]): string[] {
  return given.map(({ receipt }) => receipt);
}

/** Turns the clock until it holds; a test's own time limit ends it otherwise. */
async function eventually(fixture: QueueFixture, holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) {
    await fixture.advance(100);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
