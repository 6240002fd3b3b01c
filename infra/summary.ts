import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";

/**
 * Prints a summary of the synthesized stacks, in the order in which an event passes through them.
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

/**
 * Returns the resources of every stack in the manifest, nested stacks included. Other templates in the folder may be
 * from older runs.
 */
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
const propertiesOf = (type: string) =>
  resources.filter((resource) => resource.Type === type).map(({ Properties }) => Properties);
const queues = propertiesOf("AWS::SQS::Queue").map(({ QueueName }) => String(QueueName));
const functions = propertiesOf("AWS::Lambda::Function").map(({ FunctionName, Description, Runtime }) =>
  [FunctionName, Description, Runtime].map(String).join("  "),
);

print(
  "bus",
  propertiesOf("AWS::Events::EventBus").map(({ Name }) => String(Name)),
);
print(
  "rule",
  propertiesOf("AWS::Events::Rule").flatMap(({ Name, EventPattern }) =>
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
  "scheduled",
  functions.filter((line) => line.includes("bridge/")),
);
print(
  "tables",
  propertiesOf("AWS::DynamoDB::Table").map((table) =>
    table.StreamSpecification ? "ledger (append-only, with a stream)" : "packets",
  ),
);
print(
  "ledger",
  functions.filter((line) => line.includes("functions/ledger-")),
);
print("sheets", [
  ...propertiesOf("AWS::AppConfig::DeploymentStrategy").map(({ Name }) => `rollout ${Name}`),
  ...functions.filter((line) => line.includes("functions/sheet-check.ts")),
]);
print("alarms", [String(propertiesOf("AWS::CloudWatch::Alarm").length)]);
