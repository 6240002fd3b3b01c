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
import { expandCalls, ordersOf } from "../aws/recorded-calls.ts";
import { allows, type Call, covers, type Grant } from "../support/grants.ts";
import { cdkJsonWith } from "../support/project-copy.ts";
import { type Role, rolesOf, synthesizedWith } from "./roles.ts";

const files = await listConnectorFiles(join(projectRoot, "connectors"));
const own = deployable(
  files,
  readSettings(() => undefined),
).map(({ connector }) => connector);
/** The bridge's own connectors, and one more with strict order and a secret. */
const orders = ordersOf(own, { "JournalConnector-v1": "strict" });
/** Functions of connectors that have a secret, by name. */
const withSecret = new Set([
  "JournalConnector-v1",
  ...own.filter(({ secret }) => secret).map((connector) => connectorId(connector).replaceAll("@", "-")),
]);
const connectors = Object.keys(orders);
const calls = expandCalls(recorded, orders);
const getSecret = "secretsmanager:GetSecretValue";

/**
 * Returns the calls that AWS makes with a function's role on its behalf: for logs, traces, encryption, and polling of
 * its queue or stream.
 *
 * Sources: AWS Lambda, "Permissions for Amazon SQS" and "for DynamoDB streams", "CloudWatch Logs" and "X-Ray" (which
 * supports no resource); Amazon SQS, "Key management", "Configure KMS permissions"; DynamoDB, "Encryption at rest:
 * authorizing use of your customer managed key"; Secrets Manager, "Secret encryption and decryption".
 */
function impliedFor({ function: name, source }: Role): Call[] {
  const on = (resource: string, actions: readonly string[]) => actions.map((action) => ({ action, resource }));
  return [
    ...on(`logs:log-group:/aws/lambda/hms-bridge-${name}:*`, ["logs:CreateLogStream", "logs:PutLogEvents"]),
    ...on("*", ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]),
    ...on("<key>", keyActionsOf(name)),
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

/** Returns the actions on the key. Tables need more of them than buckets and streams. */
function keyActionsOf(name: string): readonly string[] {
  const own = calls.filter((call) => call.function === name);
  if (own.some(({ action }) => action.startsWith("dynamodb:"))) {
    return ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"];
  }
  return own.length > 0 ? ["kms:Decrypt", "kms:GenerateDataKey"] : [];
}

/**
 * Returns a function's reads of secrets. A connector reads its own secret and the one that its versions share; the
 * webhook endpoint reads the signing secrets of all connectors. A secret that does not exist is requested by its ARN
 * without a suffix.
 */
function secretsOf(functionName: string): Call[] {
  const [name = "", version] = functionName.split("-");
  const names =
    functionName === "inbound"
      ? [inboundSecretName("*")]
      : withSecret.has(functionName.replace(/-probe$/, ""))
        ? [`${name}@${version}`, name]
        : [];
  return names.flatMap((secret) =>
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

/** Permissions that are granted although no call needs them. */
const exceptions: readonly Exception[] = [
  {
    of: ({ source }) => source?.startsWith("sqs:") === true,
    action: "sqs:GetQueueUrl",
    resource: "*",
    why: "SqsEventSource of the CDK grants it on the queue it polls; the action only returns the queue's URL",
  },
];

/** Returns the missing and the unneeded permissions of a role, one line each. */
function issuesOf(role: Role): string[] {
  const needed: Call[] = [...calls.filter((call) => call.function === role.function), ...impliedFor(role)];
  const excused = exceptions.filter((exception) => exception.of(role));
  const isExcused = (grant: Grant) => excused.some((exception) => covers(exception, grant));
  const line = (problem: string, { action, resource }: Call) => `${role.function} ${problem} ${action} on ${resource}`;
  return [
    ...needed.filter((call) => !allows(role.grants, call)).map((call) => line("needs and is not granted", call)),
    ...role.grants
      .filter((grant) => !needed.some((call) => covers(grant, call)) && !isExcused(grant))
      .map((grant) => line("is granted and never needs", grant)),
    ...excused
      .filter((exception) => !role.grants.some((grant) => covers(exception, grant)))
      .map(({ why }) => `${role.function} has an exception for a permission it is not granted: ${why}`),
  ];
}

describe("function role", () => {
  let roles: Role[];
  beforeAll(() => {
    const places = [rosterPlace];
    roles = rolesOf(synthesizedWith({ ...journalFiles, "cdk.json": cdkJsonWith({ places }) }));
  }, 120_000);

  it("allows exactly the recorded calls of the function and those that AWS makes on its behalf", () => {
    expect(roles.flatMap(issuesOf)).toEqual([]);
  });

  it("exists for every function with recorded calls", () => {
    const called = new Set(calls.map((call) => call.function));

    // sheet-check makes no calls.
    expect(roles.map((role) => role.function).sort()).toEqual([...called, "sheet-check"].sort());
  });

  it("a missing permission is always detected", () => {
    const undetected = roles.flatMap((role) =>
      role.grants.flatMap((removed, i) => {
        const without = { ...role, grants: role.grants.filter((_, at) => at !== i) };
        return issuesOf(without).length > 0 ? [] : [`${role.function}: ${removed.action} on ${removed.resource}`];
      }),
    );

    expect(undetected).toEqual([]);
  });

  it("an additional permission is always detected", () => {
    const more: Grant[] = [
      { action: "sqs:PurgeQueue", resource: "*" },
      { action: "dynamodb:DeleteTable", resource: "dynamodb:table/<packets-table>" },
      { action: "secretsmanager:ListSecrets", resource: "*" },
    ];

    for (const role of roles) {
      for (const grant of more) expect(issuesOf({ ...role, grants: [...role.grants, grant] })).not.toEqual([]);
    }
  });

  it.each(connectors)("gives %s no access to queues and secrets of other connectors", (own) => {
    // Two versions of a connector may share a secret.
    const mine = new Set(callsOnOwn(own).map(({ resource }) => resource));
    const foreign = connectors.flatMap(callsOnOwn).filter(({ resource }) => !mine.has(resource));

    for (const role of roles.filter(({ function: name }) => name === own || name === `${own}-probe`)) {
      expect(foreign.filter((call) => allows(role.grants, call))).toEqual([]);
    }
  });

  it("never allows changing or deleting a ledger entry", () => {
    const writes = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "PartiQLUpdate", "PartiQLDelete"];
    const changes = writes.map((write) => ({ action: `dynamodb:${write}`, resource: "dynamodb:table/<ledger-table>" }));

    expect(roles.length).toBeGreaterThan(2 * connectors.length);
    for (const { grants } of roles) expect(changes.filter((call) => allows(grants, call))).toEqual([]);
  });
});

/** Returns all actions on the queues and secrets of a connector. */
function callsOnOwn(connector: string): Call[] {
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
