import type { Context } from "aws-lambda";
import { describe, expect, it } from "vitest";
import { healthOf } from "../../bridge/delivery/circuit-breaker.ts";
import { refused } from "../../bridge/model/outcome.ts";
import { opsHandler } from "../../functions/ops-handler.ts";
import { isProbeRequest } from "../../functions/probe-request.ts";
import { aCore, fakeTarget } from "../support/core.ts";
import { aCall } from "./ops-call.ts";

const arn = "arn:aws-us-gov:sts::123456789012:assumed-role/Operators/jo";
const context = {} as Context;

describe("operator API handler", () => {
  it("serves requests and records the caller's ARN in the ledger", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    const handle = opsHandler(opsOf(core));
    target.behave = () => refused("answered 422");
    await core.emit({ id: "1", subject: "a", data: { new_rate: 68 } });
    await core.run();
    const { packet } = await core.only();

    const listed = await handle(aCall("GET", "/api/packets", { arn, query: "status=HELD&status=QUEUED" }), context);
    const me = await handle(aCall("GET", "/api/me", { arn }), context);
    const path = `/api/packets/${packet.id}/discard`;
    const discarded = await handle(aCall("POST", path, { arn, body: { reason: "a test" } }), context);

    expect(JSON.parse(listed.body ?? "")).toMatchObject({ items: [{ id: packet.id, status: "HELD" }] });
    expect(JSON.parse(me.body ?? "")).toMatchObject({ actor: arn, host: "aws" });
    expect(discarded.statusCode).toBe(200);
    expect((await core.engine.store.chain(packet.id)).at(-1)?.facts).toMatchObject({ actor: arn, why: "a test" });
  });

  it("answers 401 to a request without a caller verified by the gateway, whatever its headers", async () => {
    await using core = await aCore();
    const handle = opsHandler(opsOf(core));

    for (const call of [
      aCall("GET", "/api/me", {}),
      aCall("GET", "/openapi.json", {}),
      aCall("POST", "/api/connectors/Fake/pause", { body: { reason: "x" }, headers: { authorization: "Bearer x" } }),
      aCall("GET", "/api/me", { arn: "not an arn" }),
      {
        version: "2.0",
        rawPath: "/api/me",
        rawQueryString: "",
        headers: {},
        requestContext: { http: { method: "GET" } },
      },
    ]) {
      const answer = await handle(call, context);

      expect(answer.statusCode).toBe(401);
      expect(JSON.parse(answer.body ?? "")).toMatchObject({ type: "urn:hms-bridge:no-token" });
    }
    expect(await core.health(fakeTarget())).toBeUndefined();
  });

  it("rejects full-table counts, ledger verification and metrics", async () => {
    await using core = await aCore();
    const handle = opsHandler(opsOf(core));

    expect((await handle(aCall("GET", "/api/tally", { arn }), context)).statusCode).toBe(503);
    expect((await handle(aCall("POST", "/api/ledger/verify", { arn, body: {} }), context)).statusCode).toBe(503);
    expect((await handle(aCall("GET", "/metrics", { arn }), context)).statusCode).toBe(404);
  });

  it("probes a target through the connector's own function", async () => {
    const target = fakeTarget();
    await using core = await aCore({ targets: [target] });
    const probed: string[] = [];
    const probe = async ({ name }: { name: string }) => {
      probed.push(name);
      return { ...healthOf(0), status: "DOWN" as const };
    };

    const answer = await opsHandler({ ...opsOf(core), probe })(
      aCall("POST", "/api/connectors/Fake/probe", { arn }),
      context,
    );

    expect(JSON.parse(answer.body ?? "")).toEqual({ connector: "Fake@v1", awake: false });
    expect(probed).toEqual(["Fake"]);
  });

  it("distinguishes a probe request from a scheduled invocation", () => {
    expect(isProbeRequest({ ask: "now" })).toBe(true);
    for (const event of [undefined, null, {}, { ask: "later" }, { "detail-type": "Scheduled Event" }, "now"]) {
      expect(isProbeRequest(event)).toBe(false);
    }
  });
});

function opsOf({ engine }: Awaited<ReturnType<typeof aCore>>) {
  return { engine, host: "aws", version: "0", probe: () => Promise.reject(new Error("not asked")) } as const;
}
