import type { Context } from "aws-lambda";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Engine } from "../../bridge/engine.ts";
import { createHandler } from "../../functions/create-handler.ts";
import { readMapperEnv } from "../../functions/env.ts";
import { type AwsServer, awsServer, Refusal } from "../support/aws-server.ts";
import { aPathEnv } from "./path-env.ts";

/** What a function has written, line by line. */
let written: string[];

beforeEach(() => {
  written = [];
  const take = (chunk: unknown) => written.push(String(chunk)) > 0;
  vi.spyOn(process.stdout, "write").mockImplementation(take);
  vi.spyOn(process.stderr, "write").mockImplementation(take);
  for (const [name, value] of Object.entries(aPathEnv())) vi.stubEnv(name, value);
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

const linesOf = () => written.map((line) => JSON.parse(line) as Record<string, unknown>);
const metricsOf = () => linesOf().filter((line) => "_aws" in line);
const toldOf = () => linesOf().filter((line) => !("_aws" in line));

/** A call as Lambda makes it. */
function aCall(overrides: Partial<Context> = {}): Context {
  return {
    functionName: "hms-bridge-mapper",
    awsRequestId: "req-1",
    getRemainingTimeInMillis: () => 30_000,
    ...overrides,
  } as Context;
}

/** Has clients made from now on call a server of the test. */
function callingAws({ client }: AwsServer): void {
  vi.stubEnv("AWS_ENDPOINT_URL", client.endpoint);
  vi.stubEnv("AWS_REGION", client.region);
  vi.stubEnv("AWS_ACCESS_KEY_ID", client.credentials.accessKeyId);
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", client.credentials.secretAccessKey);
}

/** A function that only says something. */
function saying(say: (log: Engine["log"]) => void) {
  return createHandler(readMapperEnv, async (_env, log) => async () => say(log));
}

describe("a function's door", () => {
  it("makes the handler once, and not before it is called", async () => {
    let made = 0;
    const handler = createHandler(readMapperEnv, async () => {
      made++;
      return async () => "done";
    });
    const before = made;

    const answers = await Promise.all([handler({}, aCall()), handler({}, aCall())]);

    expect([before, made, ...answers]).toEqual([0, 1, "done", "done"]);
  });

  it("tries again at the next call where making the handler failed", async () => {
    let calls = 0;
    const handler = createHandler(readMapperEnv, async () => {
      if (++calls === 1) throw new Error("no key yet");
      return async () => "done";
    });

    await expect(handler({}, aCall())).rejects.toThrow("no key yet");
    expect(await handler({}, aCall())).toBe("done");
  });

  it("logs a line with the deployment, the function, the call and the path's own fields, and nothing else", async () => {
    const handler = saying((log) =>
      log({ step: "retry", packet: "pkt-1", connector: "Fake@v1", why: "answered", http: 503, tries: 2 }),
    );

    await handler({ Records: [{ body: "a payload" }] }, aCall());

    expect(toldOf()).toEqual([
      {
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        level: "WARN",
        step: "retry",
        deployment: "hms-bridge",
        function: "hms-bridge-mapper",
        request: "req-1",
        packet: "pkt-1",
        connector: "Fake@v1",
        why: "answered",
        http: 503,
        tries: 2,
      },
    ]);
    expect(written.join()).not.toContain("a payload");
  });

  it("names the call that is running, not the one before", async () => {
    const handler = saying((log) => log({ step: "expanded" }));

    await handler({}, aCall({ awsRequestId: "req-1" }));
    await handler({}, aCall({ awsRequestId: "req-2" }));

    expect(toldOf().map(({ request }) => request)).toEqual(["req-1", "req-2"]);
  });

  it("measures what a connector did under that connector, in one line a call", async () => {
    const handler = saying((log) => {
      log({ step: "delivered", packet: "pkt-1", connector: "Fake@v1", lagMs: 40, ageMs: 90 });
      log({ step: "delivered", packet: "pkt-2", connector: "Fake@v1", lagMs: 60 });
      log({ step: "retry", packet: "pkt-3", connector: "Other@v1", why: "no-answer" });
      log({ step: "expanded", event: "evt-1", packets: 3, ageMs: 5 });
    });

    await handler({}, aCall());

    const byConnector = new Map(metricsOf().map((line) => [line.connector, line]));
    expect(byConnector.size).toBe(3);
    expect(byConnector.get("Fake@v1")).toMatchObject({
      service: "hms-bridge",
      Acknowledged: [1, 1],
      Lag: [40, 60],
      EventToAcknowledged: 90,
    });
    expect(byConnector.get("Other@v1")).toMatchObject({ service: "hms-bridge", Retries: 1 });
    expect(byConnector.get(undefined)).toMatchObject({ EventsExpanded: 1, PacketsRecorded: 3, EventAge: 5 });
  });

  it("tells a call's alerts when it is over, on the deployment's bus, and of a call without any nobody", async () => {
    await using server = await awsServer(({ body }) => ({ Entries: body.Entries.map(() => ({})) }));
    callingAws(server);
    const handler = saying((log) => {
      log({ step: "held", packet: "pkt-1", connector: "Fake@v1", why: "refused" });
      log({ step: "target-down", connector: "Fake@v1", why: "strikes" });
    });

    await handler({}, aCall());
    await saying((log) => log({ step: "delivered", connector: "Fake@v1" }))({}, aCall());

    expect(server.asked).toHaveLength(1);
    expect(server.asked[0]?.body.Entries).toMatchObject([
      { EventBusName: aPathEnv().BUS, DetailType: "sync.packet.held" },
      { EventBusName: aPathEnv().BUS, DetailType: "sync.target.down" },
    ]);
  });

  it("answers as it would have where its alerts cannot be told, also where it failed, and says so in its log", async () => {
    await using server = await awsServer(() => new Refusal("AccessDeniedException"));
    callingAws(server);
    const held = { step: "held", packet: "pkt-1", connector: "Fake@v1" };
    const fine = createHandler(readMapperEnv, async (_env, log) => async () => {
      log(held);
      return "done";
    });
    const faulty = createHandler(readMapperEnv, async (_env, log) => async () => {
      log(held);
      throw new Error("its own fault");
    });

    expect(await fine({}, aCall())).toBe("done");
    await expect(faulty({}, aCall())).rejects.toThrow("its own fault");

    const failed = toldOf().filter(({ step }) => step === "alert-failed");
    expect(failed).toMatchObject([
      { level: "WARN", alerts: 1 },
      { level: "WARN", alerts: 1 },
    ]);
  });

  it("begins every call's metrics at nothing", async () => {
    const handler = saying((log) => log({ step: "delivered", connector: "Fake@v1", lagMs: 1 }));

    await handler({}, aCall());
    await handler({}, aCall());

    expect(metricsOf().map(({ Acknowledged }) => Acknowledged)).toEqual([1, 1]);
  });

  it("writes no metrics line for a call that counted nothing", async () => {
    await saying(() => {})({}, aCall());

    expect(written).toEqual([]);
  });

  it("puts out what was measured before a call failed", async () => {
    const handler = createHandler(readMapperEnv, async (_env, log) => async () => {
      log({ step: "delivered", connector: "Fake@v1", lagMs: 1 });
      throw new Error("the table is away");
    });

    await expect(handler({}, aCall())).rejects.toThrow("the table is away");

    expect(metricsOf()).toHaveLength(1);
  });

  it("puts out what was measured before Lambda ends a call that takes too long", async () => {
    const handler = createHandler(readMapperEnv, async (_env, log) => async () => {
      log({ step: "delivered", connector: "Fake@v1", lagMs: 1 });
      await new Promise(() => {});
    });

    await expect(handler({}, aCall({ getRemainingTimeInMillis: () => 25 }))).rejects.toThrow();

    expect(metricsOf()).toHaveLength(1);
  });

  it("logs only what is as loud as it is told to be, and counts all the same", async () => {
    vi.stubEnv("LOG_LEVEL", "ERROR");
    const handler = saying((log) => {
      log({ step: "retry", connector: "Fake@v1", why: "answered" });
      log({ step: "accept-failed", error: "TimeoutError" });
    });

    await handler({}, aCall());

    expect(toldOf().map(({ step }) => step)).toEqual(["accept-failed"]);
    expect(metricsOf()).toMatchObject([{ Retries: 1 }]);
  });
});
