import type { Call } from "../../support/grants.ts";
import { sourceIn } from "./move-tasks.ts";

/** A request of the AWS SDK for JavaScript. */
export interface SignedRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly target: string | undefined;
  /** Service and region in the signature. */
  readonly service: string;
  readonly region: string;
  readonly account: string;
  readonly body: string;
}

type Json = Readonly<Record<string, unknown>>;

/**
 * Returns the permissions that a request needs.
 *
 * Source: Service Authorization Reference; DynamoDB, "Using IAM with PartiQL"; SQS, `StartMessageMoveTask`.
 * @throws {Error} if the request is not supported here
 */
export function callsOf(request: SignedRequest): Call[] {
  const { service, target, region, account } = request;
  const operation = target?.split(".").at(-1) ?? restOperation(request);
  const arn = (rest: string) => `arn:aws:${service}:${region}:${account}:${rest}`;
  const input: Json = request.target ? (JSON.parse(request.body || "{}") as Json) : {};
  const call = (action: string, resource: string): Call => ({ action: `${service}:${action}`, resource });
  switch (service) {
    case "dynamodb":
      return dynamodbCalls(operation, input).map(({ action, table }) => call(action, arn(`table/${table}`)));
    case "sqs":
      return sqsCalls(operation, input, call, arn);
    case "secretsmanager": {
      const id = String(input.SecretId);
      // The request has only the secret's name; its ARN ends with six random characters.
      return [call(operation, id.startsWith("arn:") ? id : arn(`secret:${id}-??????`))];
    }
    case "lambda": {
      const [name] = /(?<=\/functions\/)[^/]+(?=\/invocations)/.exec(request.path) ?? [];
      return [call("InvokeFunction", arn(`function:${name}`))];
    }
    case "events":
      return entriesOf(input).map(({ EventBusName = "default" }) => {
        const bus = String(EventBusName);
        return call(operation, bus.startsWith("arn:") ? bus : arn(`event-bus/${bus}`));
      });
    case "appconfig": {
      const session = operation.startsWith("POST /configurationsessions");
      // A token identifies the configuration of its session, and the bridge has only one.
      const action = session ? "StartConfigurationSession" : "GetLatestConfiguration";
      return [call(action, arn("application/Application/environment/Environment/configuration/Profile"))];
    }
    case "kms":
      return [call(operation, String(input.KeyId))];
    case "s3": {
      const [bucket, place, ...name] = decodeURIComponent(request.path.split("?")[0] as string)
        .slice(1)
        .split("/");
      if (!place) return [call("ListBucket", `arn:aws:s3:::${bucket}`)];
      const action = operation === "GetObject" && /[?&]versionId=/.test(request.path) ? "GetObjectVersion" : operation;
      // Names of objects vary, so only the prefix is recorded.
      return [call(action, `arn:aws:s3:::${bucket}/${place}${name.length > 0 ? "/*" : ""}`)];
    }
    default:
      throw new Error(
        `the emulator's gateway does not support ${service}:${operation}; add it to test/aws/emulator/calls.ts`,
      );
  }
}

function entriesOf({ Entries = [] }: Json): Json[] {
  return Entries as Json[];
}

function restOperation({ service, method, path }: SignedRequest): string {
  if (service === "s3") return { GET: "GetObject", HEAD: "GetObject", PUT: "PutObject" }[method] ?? `${method} ${path}`;
  return `${method} ${path}`;
}

function dynamodbCalls(operation: string, input: Json): { action: string; table: string }[] {
  switch (operation) {
    case "ExecuteStatement":
      return [statementCall(String(input.Statement))];
    case "ExecuteTransaction":
      return (input.TransactStatements as Json[]).map(({ Statement }) => statementCall(String(Statement)));
    case "BatchExecuteStatement":
      return (input.Statements as Json[]).map(({ Statement }) => statementCall(String(Statement)));
    case "BatchGetItem":
    case "BatchWriteItem":
      return Object.keys(input.RequestItems as Json).map((table) => ({ action: operation, table }));
    default: {
      const index = input.IndexName === undefined ? "" : `/index/${input.IndexName}`;
      return [{ action: operation, table: `${input.TableName}${index}` }];
    }
  }
}

/** Returns the IAM action of a PartiQL statement, and its table. */
function statementCall(statement: string): { action: string; table: string } {
  const [, verb = "", table] = /^\s*(INSERT INTO|UPDATE|DELETE FROM|SELECT .* FROM)\s+"([^"]+)"/i.exec(statement) ?? [];
  if (!table) throw new Error(`unsupported statement: ${statement.slice(0, 40)}`);
  const kind = verb.slice(0, 6).toUpperCase();
  return { action: `PartiQL${kind[0]}${kind.slice(1).toLowerCase()}`, table };
}

function sqsCalls(
  operation: string,
  input: Json,
  call: (action: string, resource: string) => Call,
  arn: (rest: string) => string,
): Call[] {
  const queue = input.QueueUrl === undefined ? "" : arn(String(input.QueueUrl).split("/").at(-1) as string);
  switch (operation) {
    case "SendMessageBatch":
    case "DeleteMessageBatch":
    case "ChangeMessageVisibilityBatch":
      return [call(operation.replace(/Batch$/, ""), queue)];
    case "StartMessageMoveTask": {
      const [source, destination] = [String(input.SourceArn), String(input.DestinationArn)];
      const onSource = ["StartMessageMoveTask", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes"];
      return [...onSource.map((action) => call(action, source)), call("SendMessage", destination)];
    }
    case "CancelMessageMoveTask":
      return [call(operation, sourceIn(String(input.TaskHandle)))];
    case "ListMessageMoveTasks":
      return [call(operation, String(input.SourceArn))];
    default:
      return [call(operation, queue)];
  }
}
