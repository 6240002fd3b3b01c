import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { describe, expect, it } from "vitest";
import { eventKey } from "../../../bridge/model/event.ts";
import { AwsPublisher } from "../../../platform/aws/eventbridge-publisher.ts";
import { awsServer } from "../../support/aws-server.ts";
import { anEvent } from "../../support/builders.ts";

interface Entry {
  readonly EventBusName: string;
  readonly Source: string;
  readonly DetailType: string;
  readonly Detail: string;
}

/** A server that takes events as EventBridge does; `answer` says what became of each of a call. */
async function eventBridge(answer: (entries: readonly Entry[]) => unknown[] = (entries) => entries.map(() => ({}))) {
  const server = await awsServer(({ body }) => ({ Entries: answer(body.Entries), FailedEntryCount: 0 }));
  const client = new EventBridgeClient(server.client);
  return {
    calls: () => server.asked.map(({ body }) => body.Entries as Entry[]),
    publisher: new AwsPublisher(client, "hms-bridge"),
    async [Symbol.asyncDispose]() {
      client.destroy();
      await server[Symbol.asyncDispose]();
    },
  };
}

const many = (count: number, data = {}) => Array.from({ length: count }, (_, i) => anEvent({ id: `e-${i}`, data }));

describe("publishing on EventBridge", () => {
  it("sends the whole event as detail, with its type and source beside it, and says its key", async () => {
    await using bus = await eventBridge();
    const event = anEvent({ type: "policy.per_diem.updated", source: "hms.policy", data: { new_rate: 68 } });

    const keys = await bus.publisher.publish([event]);

    expect(keys).toEqual([eventKey(event)]);
    const [entry] = bus.calls()[0] as Entry[];
    expect(entry).toMatchObject({ EventBusName: "hms-bridge", Source: event.source, DetailType: event.type });
    expect(JSON.parse(entry?.Detail ?? "")).toEqual(JSON.parse(JSON.stringify(event)));
  });

  it("sends ten in a call, in order, and fewer where they are large", async () => {
    await using bus = await eventBridge();

    await bus.publisher.publish(many(23));
    await bus.publisher.publish(many(5, { text: "x".repeat(100_000) }));

    expect(bus.calls().map((entries) => entries.length)).toEqual([10, 10, 3, 2, 2, 1]);
    const ids = bus
      .calls()
      .slice(0, 3)
      .flatMap((entries) => entries.map(({ Detail }) => JSON.parse(Detail).id));
    expect(ids).toEqual(many(23).map(({ id }) => id));
  });

  it.each([
    [
      "names an error",
      (entries: readonly Entry[]) => entries.map((_, i) => (i === 1 ? { ErrorCode: "Throttling" } : {})),
    ],
    ["is silent about one", (entries: readonly Entry[]) => entries.slice(1).map(() => ({}))],
  ])("throws where an answer of 200 %s, and repeats nothing of the event", async (_, answer) => {
    await using bus = await eventBridge(answer);

    const published = bus.publisher.publish(many(3, { ssn: "078-05-1120" }));

    await expect(published).rejects.toThrow(/did not accept 1 of 3 events \((Throttling|no result)\)/);
    await expect(published).rejects.not.toThrow(/078-05/);
  });

  it("refuses an event over 256 KiB, and what is none, before it publishes any", async () => {
    await using bus = await eventBridge();
    const room = 262_144 - JSON.stringify(anEvent({ data: { text: "" } })).length - 100;
    const fits = anEvent({ data: { text: "x".repeat(room) } });
    const large = anEvent({ data: { text: "x".repeat(262_144) } });

    await bus.publisher.publish([fits]);
    await expect(bus.publisher.publish([anEvent(), large])).rejects.toThrow(RangeError);
    await expect(bus.publisher.publish([anEvent(), anEvent({ id: "" })])).rejects.toThrow(TypeError);

    expect(bus.calls()).toHaveLength(1);
  });
});
