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

/** Starts a server that accepts events like EventBridge. `answer` returns the results for the entries of a request. */
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

describe("publishing to EventBridge", () => {
  it("sends the whole event as detail with its type and source, and returns its key", async () => {
    await using bus = await eventBridge();
    const event = anEvent({ type: "policy.per_diem.updated", source: "hms.policy", data: { new_rate: 68 } });

    const keys = await bus.publisher.publish([event]);

    expect(keys).toEqual([eventKey(event)]);
    const [entry] = bus.calls()[0] as Entry[];
    expect(entry).toMatchObject({ EventBusName: "hms-bridge", Source: event.source, DetailType: event.type });
    expect(JSON.parse(entry?.Detail ?? "")).toEqual(JSON.parse(JSON.stringify(event)));
  });

  it("sends up to ten events per request in order, and fewer if they are large", async () => {
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
      "contains an error",
      (entries: readonly Entry[]) => entries.map((_, i) => (i === 1 ? { ErrorCode: "Throttling" } : {})),
    ],
    ["lacks a result", (entries: readonly Entry[]) => entries.slice(1).map(() => ({}))],
  ])("throws if a 200 response %s, without repeating the event's content", async (_, answer) => {
    await using bus = await eventBridge(answer);

    const published = bus.publisher.publish(many(3, { ssn: "078-05-1120" }));

    await expect(published).rejects.toThrow(/did not accept 1 of 3 events \((Throttling|no result)\)/);
    await expect(published).rejects.not.toThrow(/078-05/);
  });

  it("rejects an invalid event or one over 256 KiB before it publishes any", async () => {
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
