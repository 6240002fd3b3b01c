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

describe("a connector added as one file", () => {
  let before: WithFiles;
  let after: WithFiles;
  beforeAll(() => {
    before = synthesizedWith({});
    after = synthesizedWith(readmeConnector());
  }, 120_000);

  it("gets its queue, outbox, functions, alarms and grants by synthesis alone", () => {
    const added = (type: string) => {
      const known = new Set(before.of(type).map((resource) => JSON.stringify(resource.Properties)));
      return after.of(type).filter((resource) => !known.has(JSON.stringify(resource.Properties)));
    };

    expect(
      added("AWS::SQS::Queue")
        .map(({ Properties }) => Properties.QueueName)
        .sort(),
    ).toEqual(["hms-bridge-lane-ParkingConnector-v1.fifo", "hms-bridge-outbox-ParkingConnector-v1.fifo"]);
    const names = added("AWS::Lambda::Function").map(({ Properties }) => Properties.FunctionName);
    expect(names).toContain("hms-bridge-ParkingConnector-v1");
    expect(names).toContain("hms-bridge-ParkingConnector-v1-probe");
    const sources = (made: WithFiles) => made.of("AWS::Lambda::EventSourceMapping").length;
    expect(sources(after)).toBe(sources(before) + 1);
    const alarms = added("AWS::CloudWatch::Alarm").map(({ Properties }) => Properties.AlarmDescription);
    expect(alarms.filter((says) => says.includes("ParkingConnector@v1")).length).toBeGreaterThanOrEqual(3);
  });

  it("is granted its own queues and no other's, and the mapper may send to it", () => {
    const roles = rolesOf(after);
    const queuesOf = (name: string) =>
      roles
        .find((role) => role.function === name)
        ?.grants.flatMap(({ resource }) => (resource.startsWith("sqs:") ? [resource] : []));

    expect(new Set(queuesOf("ParkingConnector-v1"))).toEqual(
      new Set(["sqs:hms-bridge-outbox-ParkingConnector-v1.fifo", "sqs:hms-bridge-lane-ParkingConnector-v1.fifo"]),
    );
    expect(queuesOf("mapper")).toContain("sqs:hms-bridge-lane-ParkingConnector-v1.fifo");
  });
});
