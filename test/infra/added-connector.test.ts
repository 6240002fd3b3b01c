import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { rolesOf, synthesizedWith, type WithFiles } from "./roles.ts";

/** The connector the README shows, word for word. */
function readmeConnector(): Record<string, string> {
  const [, code] = /```ts\n\/\/ (connectors\/parking\.ts\n[\s\S]*?)```/.exec(readFileSync("README.md", "utf8")) ?? [];
  const [file, ...lines] = code?.split("\n") ?? [];
  if (!file) throw new Error("the README shows no connectors/parking.ts any more");
  return { [file]: lines.join("\n") };
}

const declared = "connectors/badge-office.yaml";

describe("a connector added as one file", () => {
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
  ])("in %s", (_, name, file) => {
    it("gets its queue, outbox, functions, alarms and grants by synthesis alone", () => {
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
      const sources = (made: WithFiles) => made.of("AWS::Lambda::EventSourceMapping").length;
      expect(sources(after)).toBe(sources(before) + 2);
      const alarms = added("AWS::CloudWatch::Alarm").map(({ Properties }) => Properties.AlarmDescription);
      expect(alarms.filter((says) => says.includes(`${name}@v1`)).length).toBeGreaterThanOrEqual(3);
    });

    it("is granted its own queues and no other's, and the mapper may send to it", () => {
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
