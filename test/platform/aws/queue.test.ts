import { SQSClient } from "@aws-sdk/client-sqs";
import { describe, expect, it } from "vitest";
import { AwsQueue } from "../../../platform/aws/queue.ts";
import { systemClock } from "../../../platform/clock.ts";
import { awsServer } from "../../support/aws-server.ts";

/** Starts a server that speaks SQS's JSON protocol with the given responses, and a queue port that uses it. */
async function sqs(answers: Readonly<Record<string, unknown>>) {
  const server = await awsServer(({ action }) => answers[action]);
  // The responses are made up and have no valid checksums.
  const client = new SQSClient({ ...server.client, useQueueUrlAsEndpoint: false, md5: false });
  return {
    asked: server.asked,
    port: new AwsQueue({
      clock: systemClock(),
      client,
      deployment: "hms-bridge",
      queuesUrl: "https://sqs.us-gov-west-1.amazonaws.com/123456789012/",
      queuesArn: "arn:aws-us-gov:sqs:us-gov-west-1:123456789012:",
    }),
    async [Symbol.asyncDispose]() {
      client.destroy();
      await server[Symbol.asyncDispose]();
    },
  };
}

const failed = (Code: string) => ({ Successful: [{ Id: "0" }], Failed: [{ Id: "1", Code, SenderFault: true }] });
const two = [
  { group: "a", dedup: "pkt-1.0", body: "1" },
  { group: "b", dedup: "pkt-2.0", body: "2" },
];

describe("queues on AWS", () => {
  it("sends to a lane with group and deduplication id, and to the inbox with neither", async () => {
    await using at = await sqs({});

    await at.port.send("lane:Fake@v1", two);
    await at.port.send("inbox", two);

    expect(at.asked[0]?.body).toMatchObject({
      QueueUrl: "https://sqs.us-gov-west-1.amazonaws.com/123456789012/hms-bridge-lane-Fake-v1.fifo",
      Entries: [
        { Id: "0", MessageGroupId: "a", MessageDeduplicationId: "pkt-1.0", MessageBody: "1" },
        { Id: "1", MessageGroupId: "b", MessageDeduplicationId: "pkt-2.0", MessageBody: "2" },
      ],
    });
    expect(at.asked[1]?.body.QueueUrl).toMatch(/hms-bridge-inbox$/);
    expect(at.asked[1]?.body.Entries[0]).toEqual({ Id: "0", MessageBody: "1" });
  });

  it("throws if one entry of a batch was not accepted, with the reason but without its body", async () => {
    await using at = await sqs({
      SendMessageBatch: failed("InternalError"),
      ChangeMessageVisibilityBatch: failed("RequestThrottled"),
    });
    const delays = [
      { receipt: "r1", ms: 0 },
      { receipt: "r2", ms: 0 },
    ];

    await expect(at.port.send("lane:Fake@v1", two)).rejects.toThrow(
      "send to lane:Fake@v1: SQS did not accept 1 of the batch (InternalError)",
    );
    await expect(at.port.delay("lane:Fake@v1", delays)).rejects.toThrow(/did not accept 1 .*RequestThrottled/);
  });

  it("ignores an expired receipt", async () => {
    await using at = await sqs({
      DeleteMessageBatch: failed("ReceiptHandleIsInvalid"),
      ChangeMessageVisibilityBatch: failed("InvalidParameterValue"),
    });

    await at.port.remove("lane:Fake@v1", ["r1", "r2"]);
    await at.port.delay("lane:Fake@v1", [{ receipt: "r1", ms: 5 }]);

    expect(at.asked.map(({ action }) => action)).toEqual(["DeleteMessageBatch", "ChangeMessageVisibilityBatch"]);
  });

  it("delays a message by whole seconds, rounded up, and by at most 12 hours", async () => {
    await using at = await sqs({});

    await at.port.delay("lane:Fake@v1", [
      { receipt: "now", ms: 0 },
      { receipt: "soon", ms: 1_001 },
      { receipt: "late", ms: 86_400_000 },
    ]);

    const timeouts = at.asked[0]?.body.Entries.map((entry: { VisibilityTimeout: number }) => entry.VisibilityTimeout);
    expect(timeouts).toEqual([0, 2, 43_200]);
  });

  it("moves an outbox to its lane at the given rate and starts no second move while one runs", async () => {
    await using idle = await sqs({ ListMessageMoveTasks: { Results: [{ Status: "COMPLETED" }] } });
    await using busy = await sqs({ ListMessageMoveTasks: { Results: [{ Status: "RUNNING" }] } });

    await idle.port.startMove("outbox:Fake@v1", 2.5);
    await busy.port.startMove("outbox:Fake@v1", 2.5);

    expect(idle.asked.map(({ action }) => action)).toEqual(["ListMessageMoveTasks", "StartMessageMoveTask"]);
    expect(idle.asked[1]?.body).toEqual({
      SourceArn: "arn:aws-us-gov:sqs:us-gov-west-1:123456789012:hms-bridge-outbox-Fake-v1.fifo",
      DestinationArn: "arn:aws-us-gov:sqs:us-gov-west-1:123456789012:hms-bridge-lane-Fake-v1.fifo",
      MaxNumberOfMessagesPerSecond: 2,
    });
    expect(busy.asked.map(({ action }) => action)).toEqual(["ListMessageMoveTasks"]);
  });
});
