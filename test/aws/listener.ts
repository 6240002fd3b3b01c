import {
  CloudFormationClient,
  CreateStackCommand,
  DescribeStacksCommand,
  waitUntilStackCreateComplete,
} from "@aws-sdk/client-cloudformation";
import { DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { alertSourceOf, alertTopicOf } from "../../platform/aws/names.ts";
import { account, region } from "./emulator/emulator.ts";

/** An alert as its subscribers receive it. */
export interface ReceivedAlert {
  readonly source: string;
  readonly "detail-type": string;
  readonly detail: {
    readonly id: string;
    readonly type: string;
    readonly subject: string;
    readonly data: Readonly<Record<string, unknown>>;
  };
}

/** Acts as HMS-OPS with two subscriptions: to the topic, and to the bus with its own rule. */
export interface Listener {
  /** Returns all alerts received so far from each subscription. */
  received(): Promise<Readonly<Record<"topic" | "bus", readonly ReceivedAlert[]>>>;
}

const Statement = {
  Effect: "Allow",
  Principal: { Service: ["sns.amazonaws.com", "events.amazonaws.com"] },
  Action: "sqs:SendMessage",
  Resource: "*",
};
const queueArn = (name: string) => ({ "Fn::GetAtt": [name, "Arn"] });
const resources = (deployment: string) => ({
  Topic: { Type: "AWS::SQS::Queue", Properties: { QueueName: "ops-topic" } },
  Bus: { Type: "AWS::SQS::Queue", Properties: { QueueName: "ops-bus" } },
  Policy: {
    Type: "AWS::SQS::QueuePolicy",
    Properties: { Queues: [{ Ref: "Topic" }, { Ref: "Bus" }], PolicyDocument: { Version: "2012-10-17", Statement } },
  },
  Subscription: {
    Type: "AWS::SNS::Subscription",
    Properties: {
      TopicArn: `arn:aws:sns:${region}:${account}:${alertTopicOf(deployment)}`,
      Protocol: "sqs",
      Endpoint: queueArn("Topic"),
      RawMessageDelivery: true,
    },
  },
  Rule: {
    Type: "AWS::Events::Rule",
    Properties: {
      EventBusName: deployment,
      EventPattern: { source: [alertSourceOf(deployment)] },
      Targets: [{ Id: "Queue", Arn: queueArn("Bus") }],
    },
  },
});

/** Subscribes with a separate stack, as an agency would. */
export async function listenTo(deployment: string): Promise<Listener> {
  const formation = new CloudFormationClient();
  const StackName = "hms-ops";
  const TemplateBody = JSON.stringify({ Resources: resources(deployment) });
  await formation.send(new CreateStackCommand({ StackName, TemplateBody }));
  await waitUntilStackCreateComplete({ client: formation, maxWaitTime: 20, minDelay: 1, maxDelay: 1 }, { StackName });
  await formation.send(new DescribeStacksCommand({ StackName }));
  formation.destroy();
  const sqs = new SQSClient({ useQueueUrlAsEndpoint: false });
  const received = { topic: [] as ReceivedAlert[], bus: [] as ReceivedAlert[] };
  const drain = async (source: "topic" | "bus") => {
    const QueueUrl = `https://sqs.${region}.amazonaws.com/${account}/ops-${source}`;
    for (;;) {
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
      for (const { Body = "", ReceiptHandle } of Messages) {
        received[source].push(JSON.parse(Body) as ReceivedAlert);
        await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
      }
      if (Messages.length === 0) return;
    }
  };
  return {
    async received() {
      await drain("topic");
      await drain("bus");
      return received;
    },
  };
}
