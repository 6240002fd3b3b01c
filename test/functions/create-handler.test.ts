import type { Context } from "aws-lambda";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Engine } from "../../bridge/engine.ts";
import { createHandler } from "../../functions/create-handler.ts";
import { readMapperEnv } from "../../functions/env.ts";
import { type AwsServer, awsServer, Refusal } from "../support/aws-server.ts";
import { aPathEnv } from "./path-env.ts";

/** Lines that the function has written to its output. */
let written: string[];

beforeEach(() => {
  written = [];
  const capture = (chunk: unknown) => written.push(String(chunk)) > 0;
  vi.spyOn(process.stdout, "write").mockImplementation(capture);
  vi.spyOn(process.stderr, "write").mockImplementation(capture);
  for (const [name, value] of Object.entries(aPathEnv())) vi.stubEnv(name, value);
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

const linesOf = () => written.map((line) => JSON.parse(line) as Record<string, unknown>);
const metricsLines = () => linesOf().filter((line) => "_aws" in line);
const logLines = () => linesOf().filter((line) => !("_aws" in line));

/** Builds the context of an invocation. */
function aContext(overrides: Partial<Context> = {}): Context {
  return {
    functionName: "hms-bridge-mapper",
    awsRequestId: "req-1",
    getRemainingTimeInMillis: () => 30_000,
    ...overrides,
  } as Context;
}

/** Points AWS clients created from now on to a test server. */
function useAwsServer({ client }: AwsServer): void {
  vi.stubEnv("AWS_ENDPOINT_URL", client.endpoint);
  vi.stubEnv("AWS_REGION", client.region);
  vi.stubEnv("AWS_ACCESS_KEY_ID", client.credentials.accessKeyId);
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", client.credentials.secretAccessKey);
}

/** Creates a function that only writes log lines. */
function logging(write: (log: Engine["log"]) => void) {
  return createHandler(readMapperEnv, async (_env, log) => async () => write(log));
}

describe("createHandler", () => {
  it("creates the handler once, on the first invocation", async () => {
    let created = 0;
    const handler = createHandler(readMapperEnv, async () => {
      created++;
      return async () => "done";
    });
    const before = created;

    const answers = await Promise.all([handler({}, aContext()), handler({}, aContext())]);

    expect([before, created, ...answers]).toEqual([0, 1, "done", "done"]);
  });

  it("tries again on the next invocation if creating the handler failed", async () => {
    let calls = 0;
    const handler = createHandler(readMapperEnv, async () => {
      if (++calls === 1) throw new Error("no key yet");
      return async () => "done";
    });

    await expect(handler({}, aContext())).rejects.toThrow("no key yet");
    expect(await handler({}, aContext())).toBe("done");
  });

  it("logs time, level, step, deployment, function, request and the line's own fields, and nothing else", async () => {
    const handler = logging((log) =>
      log({ step: "retry", packet: "pkt-1", connector: "Fake@v1", why: "answered", http: 503, tries: 2 }),
    );

    await handler({ Records: [{ body: "a payload" }] }, aContext());

    expect(logLines()).toEqual([
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

  it("logs the id of the current request, not of the previous one", async () => {
    const handler = logging((log) => log({ step: "expanded" }));

    await handler({}, aContext({ awsRequestId: "req-1" }));
    await handler({}, aContext({ awsRequestId: "req-2" }));

    expect(logLines().map(({ request }) => request)).toEqual(["req-1", "req-2"]);
  });

  it("emits one metrics line per connector and one for the function in each invocation", async () => {
    const handler = logging((log) => {
      log({ step: "delivered", packet: "pkt-1", connector: "Fake@v1", lagMs: 40, ageMs: 90 });
      log({ step: "delivered", packet: "pkt-2", connector: "Fake@v1", lagMs: 60 });
      log({ step: "retry", packet: "pkt-3", connector: "Other@v1", why: "no-answer" });
      log({ step: "expanded", event: "evt-1", packets: 3, ageMs: 5 });
    });

    await handler({}, aContext());

    const byConnector = new Map(metricsLines().map((line) => [line.connector, line]));
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

  it("publishes an invocation's alerts to the bus when it ends, and makes no request if there are none", async () => {
    await using server = await awsServer(({ body }) => ({ Entries: body.Entries.map(() => ({})) }));
    useAwsServer(server);
    const handler = logging((log) => {
      log({ step: "held", packet: "pkt-1", connector: "Fake@v1", why: "refused" });
      log({ step: "target-down", connector: "Fake@v1", why: "strikes" });
    });

    await handler({}, aContext());
    await logging((log) => log({ step: "delivered", connector: "Fake@v1" }))({}, aContext());

    expect(server.asked).toHaveLength(1);
    expect(server.asked[0]?.body.Entries).toMatchObject([
      { EventBusName: aPathEnv().BUS, DetailType: "sync.packet.held" },
      { EventBusName: aPathEnv().BUS, DetailType: "sync.target.down" },
    ]);
  });

  it("returns or throws as usual if its alerts cannot be published, and logs the failure", async () => {
    await using server = await awsServer(() => new Refusal("AccessDeniedException"));
    useAwsServer(server);
    const held = { step: "held", packet: "pkt-1", connector: "Fake@v1" };
    const succeeding = createHandler(readMapperEnv, async (_env, log) => async () => {
      log(held);
      return "done";
    });
    const failing = createHandler(readMapperEnv, async (_env, log) => async () => {
      log(held);
      throw new Error("its own error");
    });

    expect(await succeeding({}, aContext())).toBe("done");
    await expect(failing({}, aContext())).rejects.toThrow("its own error");

    const failed = logLines().filter(({ step }) => step === "alert-failed");
    expect(failed).toMatchObject([
      { level: "WARN", alerts: 1 },
      { level: "WARN", alerts: 1 },
    ]);
  });

  it("starts the metrics of every invocation at zero", async () => {
    const handler = logging((log) => log({ step: "delivered", connector: "Fake@v1", lagMs: 1 }));

    await handler({}, aContext());
    await handler({}, aContext());

    expect(metricsLines().map(({ Acknowledged }) => Acknowledged)).toEqual([1, 1]);
  });

  it("writes no metrics line for an invocation that counted nothing", async () => {
    await logging(() => {})({}, aContext());

    expect(written).toEqual([]);
  });

  it("emits the metrics collected before an invocation failed", async () => {
    const handler = createHandler(readMapperEnv, async (_env, log) => async () => {
      log({ step: "delivered", connector: "Fake@v1", lagMs: 1 });
      throw new Error("the table is unavailable");
    });

    await expect(handler({}, aContext())).rejects.toThrow("the table is unavailable");

    expect(metricsLines()).toHaveLength(1);
  });

  it("emits the collected metrics before an invocation times out", async () => {
    const handler = createHandler(readMapperEnv, async (_env, log) => async () => {
      log({ step: "delivered", connector: "Fake@v1", lagMs: 1 });
      await new Promise(() => {});
    });

    await expect(handler({}, aContext({ getRemainingTimeInMillis: () => 25 }))).rejects.toThrow();

    expect(metricsLines()).toHaveLength(1);
  });

  it("drops lines below the log level but still counts them", async () => {
    vi.stubEnv("LOG_LEVEL", "ERROR");
    const handler = logging((log) => {
      log({ step: "retry", connector: "Fake@v1", why: "answered" });
      log({ step: "accept-failed", error: "TimeoutError" });
    });

    await handler({}, aContext());

    expect(logLines().map(({ step }) => step)).toEqual(["accept-failed"]);
    expect(metricsLines()).toMatchObject([{ Retries: 1 }]);
  });
});
