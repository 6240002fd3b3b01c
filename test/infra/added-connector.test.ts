import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { rolesOf, synthesizedWith, type WithFiles } from "./roles.ts";

/** Returns the connector shown in the README, word for word. */
function readmeConnector(): Record<string, string> {
  const [, code] = /```ts\n\/\/ (connectors\/parking\.ts\n[\s\S]*?)```/.exec(readFileSync("README.md", "utf8")) ?? [];
  const [file, ...lines] = code?.split("\n") ?? [];
  if (!file) throw new Error("the README no longer shows connectors/parking.ts");
  return { [file]: lines.join("\n") };
}

const declared = "connectors/badge-office.yaml";

describe("connector added as one file", () => {
  let before: WithFiles;
  let after: WithFiles;
  beforeAll(() => {
    before = synthesizedWith({});
    after = synthesizedWith({ ...readmeConnector(), [declared]: readFileSync(`examples/${declared}`, "utf8") });
  }, 180_000);

  const added = (type: string) => {
    const known = new Set(before.of(type).map((resource) => JSON.stringify(resource.Properties)));
    return after.of(type).filter((resource) => !known.has(JSON.stringify(resource.Properties)));
  };

  describe.each([
    ["TypeScript", "ParkingConnector", "connectors/parking.ts"],
    ["YAML", "BadgeOffice", declared],
  ])("%s connector", (_, name, file) => {
    it("gets its queue, outbox, functions, alarms and permissions from synthesis alone", () => {
      const queues = added("AWS::SQS::Queue").map(({ Properties }) => Properties.QueueName);
      expect(queues.filter((queue) => queue.includes(name)).sort()).toEqual([
        `hms-bridge-lane-${name}-v1.fifo`,
        `hms-bridge-outbox-${name}-v1.fifo`,
      ]);
      expect(queues).toHaveLength(4);
      const functions = added("AWS::Lambda::Function").map(({ Properties }) => Properties);
      const sender = functions.find(({ FunctionName }) => FunctionName === `hms-bridge-${name}-v1`);
      expect(sender?.Description).toContain(file);
      expect(functions.map(({ FunctionName }) => FunctionName)).toContain(`hms-bridge-${name}-v1-probe`);
      const sources = (templates: WithFiles) => templates.of("AWS::Lambda::EventSourceMapping").length;
      expect(sources(after)).toBe(sources(before) + 2);
      const alarms = added("AWS::CloudWatch::Alarm").map(({ Properties }) => Properties.AlarmDescription);
      expect(alarms.filter((description) => description.includes(`${name}@v1`)).length).toBeGreaterThanOrEqual(3);
    });

    it("may use only its own queues, and the mapper may send to them", () => {
      const roles = rolesOf(after);
      const queuesOf = (role: string) =>
        roles
          .find((each) => each.function === role)
          ?.grants.flatMap(({ resource }) => (resource.startsWith("sqs:") ? [resource] : []));

      expect(new Set(queuesOf(`${name}-v1`))).toEqual(
        new Set([`sqs:hms-bridge-outbox-${name}-v1.fifo`, `sqs:hms-bridge-lane-${name}-v1.fifo`]),
      );
      expect(queuesOf("mapper")).toContain(`sqs:hms-bridge-lane-${name}-v1.fifo`);
    });
  });
});
