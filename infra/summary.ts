import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";

/**
 * Prints what was synthesized: the way of an event, a line each.
 *
 * Usage: node infra/summary.ts [cdk.out]
 */
const manifestSchema = z.object({
  artifacts: z.record(
    z.string(),
    z.object({ type: z.string(), properties: z.object({ templateFile: z.string().optional() }).default({}) }),
  ),
});

const templateSchema = z.object({
  Resources: z.record(
    z.string(),
    z.object({
      Type: z.string(),
      Properties: z.record(z.string(), z.unknown()).default({}),
      Metadata: z.object({ "aws:asset:path": z.string().optional() }).default({}),
    }),
  ),
});

type Resource = z.output<typeof templateSchema>["Resources"][string];

/** The resources of every stack the manifest names, and of the stacks nested in them; the folder may hold older ones. */
function resourcesIn(folder: string): Resource[] {
  const read = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), "utf8"));
  const inTemplate = (name: string): Resource[] =>
    Object.values(templateSchema.parse(read(name)).Resources).flatMap((resource) => {
      const nested = resource.Type === "AWS::CloudFormation::Stack" && resource.Metadata["aws:asset:path"];
      return nested ? inTemplate(nested) : [resource];
    });
  return Object.values(manifestSchema.parse(read("manifest.json")).artifacts).flatMap(({ properties }) =>
    properties.templateFile ? inTemplate(properties.templateFile) : [],
  );
}

function print(label: string, lines: readonly string[]): void {
  for (const [i, line] of lines.entries()) console.log(`${(i === 0 ? label : "").padEnd(12)} ${line}`);
}

const resources = resourcesIn(process.argv[2] ?? "cdk.out");
const of = (type: string) => resources.filter((resource) => resource.Type === type).map(({ Properties }) => Properties);
const queues = of("AWS::SQS::Queue").map(({ QueueName }) => String(QueueName));
const functions = of("AWS::Lambda::Function").map(({ FunctionName, Description, Runtime }) =>
  [FunctionName, Description, Runtime].map(String).join("  "),
);

print(
  "bus",
  of("AWS::Events::EventBus").map(({ Name }) => String(Name)),
);
print(
  "rule",
  of("AWS::Events::Rule").flatMap(({ Name, EventPattern }) =>
    EventPattern ? [`${Name}  ${JSON.stringify(EventPattern)}`] : [],
  ),
);
print(
  "inbox",
  queues.filter((name) => !name.endsWith(".fifo")),
);
print(
  "mapper",
  functions.filter((line) => line.includes("functions/mapper.ts")),
);
print(
  "lanes",
  queues.filter((name) => name.includes("-lane-")),
);
print(
  "outboxes",
  queues.filter((name) => name.includes("-outbox-")),
);
print(
  "connectors",
  functions.filter((line) => line.includes("connectors/")),
);
print(
  "by the clock",
  functions.filter((line) => line.includes("bridge/")),
);
print(
  "tables",
  of("AWS::DynamoDB::Table").map((table) =>
    table.StreamSpecification ? "ledger (append-only, with a stream)" : "packets",
  ),
);
print(
  "ledger",
  functions.filter((line) => line.includes("functions/ledger-")),
);
print("sheets", [
  ...of("AWS::AppConfig::DeploymentStrategy").map(({ Name }) => `rollout ${Name}`),
  ...functions.filter((line) => line.includes("functions/sheet-check.ts")),
]);
print("alarms", [String(of("AWS::CloudWatch::Alarm").length)]);
