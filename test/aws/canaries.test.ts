import {
  AppConfigClient,
  CreateApplicationCommand,
  CreateConfigurationProfileCommand,
  CreateDeploymentStrategyCommand,
  CreateEnvironmentCommand,
  CreateHostedConfigurationVersionCommand,
  StartDeploymentCommand,
} from "@aws-sdk/client-appconfig";
import {
  CloudFormationClient,
  CreateStackCommand,
  DescribeStacksCommand,
  waitUntilStackCreateComplete,
} from "@aws-sdk/client-cloudformation";
import { DynamoDBClient, ExecuteStatementCommand, GetResourcePolicyCommand } from "@aws-sdk/client-dynamodb";
import { EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import { CreateAccessKeyCommand, CreateUserCommand, IAMClient, PutUserPolicyCommand } from "@aws-sdk/client-iam";
import {
  CreateQueueCommand,
  ListDeadLetterSourceQueuesCommand,
  ListMessageMoveTasksCommand,
  SendMessageBatchCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { account, type Emulator, region, rootCredentials, startEmulator } from "./emulator/emulator.ts";

/**
 * Gaps of the emulator that the suite works around, as listed in docs/decisions/0011-aws-emulator.md. If one of these
 * tests fails, the emulator has closed the gap and the workaround can be removed.
 */
let emulator: Emulator;
let root: { endpoint: string; region: string; credentials: typeof rootCredentials };

beforeAll(async () => {
  emulator = await startEmulator({ auth: true, functionsEndpoint: "http://127.0.0.1:9" });
  root = { endpoint: `http://127.0.0.1:${emulator.port}`, region, credentials: rootCredentials };
});

afterAll(() => emulator?.[Symbol.asyncDispose]());

/** Creates a user with a single permission and returns the client options to act as that user. */
async function userAllowedTo(action: string, resource: string, condition?: object) {
  const iam = new IAMClient(root);
  const UserName = action.replace(":", "-");
  const Statement = { Effect: "Allow", Action: action, Resource: resource, ...(condition && { Condition: condition }) };
  const PolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement });
  await iam.send(new CreateUserCommand({ UserName }));
  await iam.send(new PutUserPolicyCommand({ UserName, PolicyName: "one", PolicyDocument }));
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName }));
  const { AccessKeyId = "", SecretAccessKey = "" } = AccessKey ?? {};
  return { ...root, credentials: { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey } };
}

/** Deploys a stack of resources and returns its outputs. */
async function deployStack(StackName: string, Resources: object, Outputs: object): Promise<Record<string, string>> {
  const formation = new CloudFormationClient(root);
  await formation.send(new CreateStackCommand({ StackName, TemplateBody: JSON.stringify({ Resources, Outputs }) }));
  await waitUntilStackCreateComplete({ client: formation, maxWaitTime: 20, minDelay: 1, maxDelay: 1 }, { StackName });
  const { Stacks = [] } = await formation.send(new DescribeStacksCommand({ StackName }));
  const outputs = Stacks[0]?.Outputs ?? [];
  return Object.fromEntries(outputs.map(({ OutputKey = "", OutputValue = "" }) => [OutputKey, OutputValue]));
}

const table = {
  Type: "AWS::DynamoDB::Table",
  Properties: {
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: [{ AttributeName: "pk", AttributeType: "S" }],
    KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }],
    ResourcePolicy: {
      PolicyDocument: {
        Version: "2012-10-17",
        Statement: [{ Effect: "Deny", Principal: "*", Action: "dynamodb:DeleteItem", Resource: "*" }],
      },
    },
  },
};

describe("emulator gaps", () => {
  it("SQS supports neither message move tasks nor listing the sources of a dead-letter queue", async () => {
    const sqs = new SQSClient({ ...root, useQueueUrlAsEndpoint: false });
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "plain" }));
    const SourceArn = `arn:aws:sqs:${region}:${account}:plain`;

    await expect(sqs.send(new ListMessageMoveTasksCommand({ SourceArn }))).rejects.toThrow(/not valid/);
    await expect(sqs.send(new ListDeadLetterSourceQueuesCommand({ QueueUrl }))).rejects.toThrow(/not valid/);
  });

  it("SQS requires sqs:SendMessageBatch, which is not an IAM action", async () => {
    const sqs = new SQSClient({ ...root, useQueueUrlAsEndpoint: false });
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "granted" }));
    const sender = new SQSClient({
      ...(await userAllowedTo("sqs:SendMessage", `arn:aws:sqs:${region}:${account}:granted`)),
      useQueueUrlAsEndpoint: false,
    });
    const Entries = [{ Id: "0", MessageBody: "x" }];

    await expect(sender.send(new SendMessageBatchCommand({ QueueUrl, Entries }))).rejects.toThrow(
      /not authorized|denied/i,
    );
  });

  it("EventBridge ignores the condition key events:source", async () => {
    const bus = `arn:aws:events:${region}:${account}:event-bus/default`;
    const own = { StringEquals: { "events:source": "hms-sync-bridge" } };
    const publisher = new EventBridgeClient(await userAllowedTo("events:PutEvents", bus, own));
    const Entries = [{ Source: "hms-sync-bridge", DetailType: "sync.target.down", Detail: "{}" }];

    await expect(publisher.send(new PutEventsCommand({ Entries }))).rejects.toThrow(/not authorized|denied/i);
  });

  it("DynamoDB ignores PartiQL permissions, and CloudFormation ignores a table's resource policy", async () => {
    const { Table: name } = await deployStack("table", { Table: table }, { Table: { Value: { Ref: "Table" } } });
    const ResourceArn = `arn:aws:dynamodb:${region}:${account}:table/${name}`;
    const inserter = new DynamoDBClient(await userAllowedTo("dynamodb:PartiQLInsert", ResourceArn));
    const Statement = `INSERT INTO "${name}" VALUE {'pk': 'a'}`;

    await expect(inserter.send(new ExecuteStatementCommand({ Statement }))).rejects.toThrow(/not authorized|denied/i);
    const policy = new DynamoDBClient(root).send(new GetResourcePolicyCommand({ ResourceArn }));
    await expect(policy).rejects.toThrow(/No resource-based policy/);
  });

  it("CloudFormation returns a secret's name instead of its ARN", async () => {
    const Secret = { Type: "AWS::SecretsManager::Secret", Properties: { GenerateSecretString: {} } };

    const { Secret: ref } = await deployStack("secret", { Secret }, { Secret: { Value: { Ref: "Secret" } } });

    expect(ref).toBeTruthy();
    expect(ref).not.toMatch(/^arn:/);
  });

  it("CloudFormation cannot deploy an event archive", async () => {
    const Archive = { Type: "AWS::Events::Archive", Properties: { SourceArn: "arn:aws:events:::event-bus/default" } };

    await expect(deployStack("archive", { Archive }, {})).rejects.toThrow(/Unrecognized resource types/);
  });

  it("AppConfig starts a deployment without calling the Lambda validator", async () => {
    const config = new AppConfigClient(root);
    const { Id: ApplicationId } = await config.send(new CreateApplicationCommand({ Name: "a" }));
    const { Id: EnvironmentId } = await config.send(new CreateEnvironmentCommand({ ApplicationId, Name: "e" }));
    const Content = `arn:aws:lambda:${region}:${account}:function:nobody`;
    const { Id: ConfigurationProfileId } = await config.send(
      new CreateConfigurationProfileCommand({
        ApplicationId,
        Name: "p",
        LocationUri: "hosted",
        Validators: [{ Type: "LAMBDA", Content }],
      }),
    );
    const of = { ApplicationId, ConfigurationProfileId };
    await config.send(
      new CreateHostedConfigurationVersionCommand({
        ...of,
        Content: new Uint8Array([123, 125]),
        ContentType: "text/json",
      }),
    );
    const { Id: DeploymentStrategyId } = await config.send(
      new CreateDeploymentStrategyCommand({
        Name: "s",
        DeploymentDurationInMinutes: 0,
        GrowthFactor: 100,
        ReplicateTo: "NONE",
      }),
    );

    const started = config.send(
      new StartDeploymentCommand({ ...of, EnvironmentId, DeploymentStrategyId, ConfigurationVersion: "1" }),
    );

    await expect(started).resolves.toHaveProperty("DeploymentNumber", 1);
  });
});
