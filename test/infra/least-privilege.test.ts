import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { inboundSecretName } from "../../bridge/inbound/receive-webhook.ts";
import { connectorId } from "../../bridge/model/connector.ts";
import { listConnectorFiles } from "../../connectors/protocols/load-connectors.ts";
import { projectRoot } from "../../infra/bundle.ts";
import { deployable } from "../../infra/connector-config.ts";
import { readSettings } from "../../infra/settings.ts";
import { journalFiles, rosterPlace } from "../aws/journal.ts";
import recorded from "../aws/recorded-calls.json" with { type: "json" };
import { ordersOf, writtenOut } from "../aws/recorded-calls.ts";
import { allows, type Call, covers, type Grant } from "../support/grants.ts";
import { cdkJsonWith } from "../support/project-copy.ts";
import { type Role, rolesOf, synthesizedWith } from "./roles.ts";

const files = await listConnectorFiles(join(projectRoot, "connectors"));
const own = deployable(
  files,
  readSettings(() => undefined),
).map(({ connector }) => connector);
/** The bridge's own connectors, and one that takes the ways they may not: strict order, and a secret. */
const orders = ordersOf(own, { "JournalConnector-v1": "strict" });
/** By what their functions are called. */
const withSecret = new Set([
  "JournalConnector-v1",
  ...own.filter(({ secret }) => secret).map((connector) => connectorId(connector).replaceAll("@", "-")),
]);
const connectors = Object.keys(orders);
const calls = writtenOut(recorded, orders);
const getSecret = "secretsmanager:GetSecretValue";

/**
 * What AWS asks for without a call of the function: its log, its traces, the key behind everything, and the poller of
 * its queue or stream.
 *
 * Sources: AWS Lambda, "Permissions for Amazon SQS" and "for DynamoDB streams", "CloudWatch Logs" and "X-Ray" (which knows no resource); Amazon SQS, "Key management", "Configure KMS
 * permissions"; DynamoDB, "Encryption at rest: authorizing use of your customer managed key"; Secrets Manager,
 * "Secret encryption and decryption".
 */
function impliedFor({ function: name, source }: Role): Call[] {
  const on = (resource: string, actions: readonly string[]) => actions.map((action) => ({ action, resource }));
  return [
    ...on(`logs:log-group:/aws/lambda/hms-bridge-${name}:*`, ["logs:CreateLogStream", "logs:PutLogEvents"]),
    ...on("*", ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]),
    ...on("<key>", keyUseOf(name)),
    ...(source?.startsWith("sqs:")
      ? on(source, ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"])
      : []),
    ...(source === "<ledger-stream>"
      ? [
          ...on(
            source,
            ["DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"].map((a) => `dynamodb:${a}`),
          ),
          ...on("sqs:hms-bridge-ledger-dead", ["sqs:SendMessage"]),
        ]
      : []),
    ...secretsOf(name),
  ];
}

/** Tables ask for more of the key than buckets and streams do. */
function keyUseOf(name: string): readonly string[] {
  const own = calls.filter((call) => call.function === name);
  if (own.some(({ action }) => action.startsWith("dynamodb:"))) {
    return ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"];
  }
  return own.length > 0 ? ["kms:Decrypt", "kms:GenerateDataKey"] : [];
}

/**
 * A connector's secret is its own or the one its versions share; the door's are what each connector's system signs with.
 * Which of them is there its operator decides; one that is not is looked for by its bare ARN.
 */
function secretsOf(functionName: string): Call[] {
  const [name = "", version] = functionName.split("-");
  const asked =
    functionName === "inbound"
      ? [inboundSecretName("*")]
      : withSecret.has(functionName.replace(/-probe$/, ""))
        ? [`${name}@${version}`, name]
        : [];
  return asked.flatMap((secret) =>
    ["", "-??????"].map((suffix) => ({
      action: getSecret,
      resource: `secretsmanager:secret:hms-bridge/${secret}${suffix}`,
    })),
  );
}

interface Exception extends Grant {
  readonly of: (role: Role) => boolean;
  readonly why: string;
}

/** Granted, and neither called nor asked for. */
const exceptions: readonly Exception[] = [
  {
    of: ({ source }) => source?.startsWith("sqs:") === true,
    action: "sqs:GetQueueUrl",
    resource: "*",
    why: "the CDK's own SqsEventSource grants it with what the poller needs, on that one queue; it only tells the queue's URL",
  },
];

/** What is wrong with a role, a line each. */
function faultsOf(role: Role): string[] {
  const needed: Call[] = [...calls.filter((call) => call.function === role.function), ...impliedFor(role)];
  const excused = exceptions.filter((exception) => exception.of(role));
  const isExcused = (grant: Grant) => excused.some((exception) => covers(exception, grant));
  const say = (what: string, { action, resource }: Call) => `${role.function} ${what} ${action} on ${resource}`;
  return [
    ...needed.filter((call) => !allows(role.grants, call)).map((call) => say("needs and is not granted", call)),
    ...role.grants
      .filter((grant) => !needed.some((call) => covers(grant, call)) && !isExcused(grant))
      .map((grant) => say("is granted and never needs", grant)),
    ...excused
      .filter((exception) => !role.grants.some((grant) => covers(exception, grant)))
      .map(({ why }) => `${role.function} has an exception for what it is not granted: ${why}`),
  ];
}

describe("a function's role", () => {
  let roles: Role[];
  beforeAll(() => {
    const places = [rosterPlace];
    roles = rolesOf(synthesizedWith({ ...journalFiles, "cdk.json": cdkJsonWith({ places }) }));
  }, 120_000);

  it("allows what the function was seen to call and what AWS asks for beside it, and nothing more", () => {
    expect(roles.flatMap(faultsOf)).toEqual([]);
  });

  it("is there for every function that was seen to call anything", () => {
    const called = new Set(calls.map((call) => call.function));

    // The check of the sheets computes and calls nothing.
    expect(roles.map((role) => role.function).sort()).toEqual([...called, "sheet-check"].sort());
  });

  it("cannot lose any one grant unnoticed", () => {
    const unnoticed = roles.flatMap((role) =>
      role.grants.flatMap((taken, i) => {
        const without = { ...role, grants: role.grants.filter((_, at) => at !== i) };
        return faultsOf(without).length > 0 ? [] : [`${role.function}: ${taken.action} on ${taken.resource}`];
      }),
    );

    expect(unnoticed).toEqual([]);
  });

  it("cannot gain a grant unnoticed", () => {
    const more: Grant[] = [
      { action: "sqs:PurgeQueue", resource: "*" },
      { action: "dynamodb:DeleteTable", resource: "dynamodb:table/<packets-table>" },
      { action: "secretsmanager:ListSecrets", resource: "*" },
    ];

    for (const role of roles) {
      for (const grant of more) expect(faultsOf({ ...role, grants: [...role.grants, grant] })).not.toEqual([]);
    }
  });

  it.each(connectors)("of %s reaches no other connector's queues and secrets", (own) => {
    // Two versions may share a secret, by their name.
    const mine = new Set(thingsOf(own).map(({ resource }) => resource));
    const foreign = connectors.flatMap(thingsOf).filter(({ resource }) => !mine.has(resource));

    for (const role of roles.filter(({ function: name }) => name === own || name === `${own}-probe`)) {
      expect(foreign.filter((call) => allows(role.grants, call))).toEqual([]);
    }
  });

  it("of no function changes or removes a ledger entry", () => {
    const writes = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "PartiQLUpdate", "PartiQLDelete"];
    const changes = writes.map((write) => ({ action: `dynamodb:${write}`, resource: "dynamodb:table/<ledger-table>" }));

    expect(roles.length).toBeGreaterThan(2 * connectors.length);
    for (const { grants } of roles) expect(changes.filter((call) => allows(grants, call))).toEqual([]);
  });
});

/** Everything that is one connector's own, in every way it could be used. */
function thingsOf(connector: string): Call[] {
  const [name, version] = connector.split("-");
  const queues = ["lane", "outbox"].map((kind) => `sqs:hms-bridge-${kind}-${connector}.fifo`);
  const secrets = [`${name}@${version}`, name].flatMap((secret) =>
    ["", "-a1B2c3"].map((suffix) => `secretsmanager:secret:hms-bridge/${secret}${suffix}`),
  );
  const uses = ["SendMessage", "ReceiveMessage", "DeleteMessage", "PurgeQueue", "StartMessageMoveTask"];
  return [
    ...queues.flatMap((resource) => uses.map((use) => ({ action: `sqs:${use}`, resource }))),
    ...secrets.map((resource) => ({ action: getSecret, resource })),
  ];
}
