import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type AwsServer, awsServer } from "../support/aws-server.ts";
import { type Home, home } from "../support/home.ts";
import { bridge } from "../support/serve.ts";

const busArn = "arn:aws-us-gov:events:us-gov-west-1:123456789012:event-bus/agency";
const eventWithRate = (rate: number, attributes = {}) =>
  JSON.stringify({ type: "policy.per_diem.updated", data: { new_rate: rate }, ...attributes });

interface Entry {
  readonly EventBusName: string;
  readonly Source: string;
  readonly DetailType: string;
  readonly Detail: string;
}

/** Simulates Parameter Store with one deployment's bus, and EventBridge, which accepts all rates except `refused`. */
let aws: AwsServer;
let folder: Home;
let refused: number[];

beforeEach(async () => {
  refused = [];
  folder = home();
  aws = await awsServer(({ action, body }) => {
    if (action === "GetParameters") {
      const known = (body.Names as string[]).filter((name) => name === "/hms-bridge/bus");
      return { Parameters: known.map((Name) => ({ Name, Value: busArn })), InvalidParameters: [] };
    }
    return {
      Entries: (body.Entries as Entry[]).map(({ Detail }) => (isRefused(Detail) ? { ErrorCode: "Throttled" } : {})),
    };
  });
  vi.stubEnv("AWS_ENDPOINT_URL", aws.client.endpoint);
  vi.stubEnv("AWS_REGION", aws.client.region);
  vi.stubEnv("AWS_ACCESS_KEY_ID", "test");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "test");
});

afterEach(async () => {
  vi.unstubAllEnvs();
  folder[Symbol.dispose]();
  await aws[Symbol.asyncDispose]();
});

const isRefused = (detail: string) => refused.includes(JSON.parse(detail).data.new_rate);

/** Returns the entries of each PutEvents call. */
const published = () =>
  aws.asked.filter(({ action }) => action === "PutEvents").map(({ body }) => body.Entries as Entry[]);
const ratesPublished = () => published().map((call) => call.map(({ Detail }) => JSON.parse(Detail).data.new_rate));

describe("bridge emit --stack", () => {
  test("publishes an event on the deployment's bus and prints its key", async () => {
    const { code, out } = await bridge(folder.path, "emit", "--stack", "hms-bridge", eventWithRate(68, { id: "e-1" }));

    expect(out).toMatch(/^evt-[a-z2-7]{16} is on the bus of hms-bridge$/m);
    expect(code).toBe(0);
    const [[entry] = []] = published();
    expect(entry).toMatchObject({
      EventBusName: busArn,
      Source: "hms.local",
      DetailType: "policy.per_diem.updated",
    });
    expect(JSON.parse(entry?.Detail ?? "")).toMatchObject({ id: "e-1", data: { new_rate: 68 } });
  });

  test("publishes a file with ten events per call and prints the keys as JSON", async () => {
    folder.write("rates.ndjson", `${Array.from({ length: 23 }, (_, i) => eventWithRate(i)).join("\n\n")}\n`);

    const { code, out } = await bridge(
      folder.path,
      "emit",
      "--stack",
      "hms-bridge",
      "--file",
      "rates.ndjson",
      "--json",
    );

    expect(JSON.parse(out).events).toHaveLength(23);
    expect(code).toBe(0);
    expect(published().map(({ length }) => length)).toEqual([10, 10, 3]);
  });

  test("stops at an invalid line with its number, after publishing the events before it", async () => {
    folder.write("rates.ndjson", [eventWithRate(1), eventWithRate(2), '{"type":"x"}', eventWithRate(3)].join("\n"));

    const { code, err } = await bridge(folder.path, "emit", "--stack", "hms-bridge", "--file", "rates.ndjson");

    expect(err).toMatch(/^bridge: rates\.ndjson:3: not an event: .*; 2 events were accepted before it$/m);
    expect(code).toBe(2);
    expect(ratesPublished()).toEqual([[1, 2]]);
  });

  test("stops if EventBridge accepts only some entries of a call", async () => {
    refused = [12];
    folder.write("rates.ndjson", Array.from({ length: 23 }, (_, i) => eventWithRate(i)).join("\n"));

    const { code, err } = await bridge(folder.path, "emit", "--stack", "hms-bridge", "--file", "rates.ndjson");

    expect(err).toMatch(/rates\.ndjson:20: EventBridge did not accept 1 of 10 events \(Throttled\).*; 10 events were/);
    expect(code).toBe(3);
    expect(published()).toHaveLength(2);
  });

  test.each([
    ["a source", { source: "payroll.office" }],
    ["a type", { type: "sync.target.down" }],
  ])("refuses %s that the bridge's rule would not match", async (_, attributes) => {
    const { code, err } = await bridge(folder.path, "emit", "--stack", "hms-bridge", eventWithRate(68, attributes));

    expect(err).toContain('the source must begin with "hms." and the type must not begin with "sync."');
    expect(code).toBe(2);
    expect(published()).toEqual([]);
  });

  test("names the missing parameter if no such deployment exists", async () => {
    const { code, err } = await bridge(folder.path, "emit", "--stack", "hms-brige", eventWithRate(68));

    expect(err).toContain("Parameter Store has no /hms-brige/bus; is hms-brige deployed in this account and region?");
    expect(code).toBe(3);
  });
});
