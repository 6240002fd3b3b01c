import { describe, expect, it } from "vitest";
import { ComplianceUnavailableError } from "../../bridge/governance/compliance-engine.ts";
import { BridgeError, InvalidRequestError, InvariantError } from "../../bridge/values/bridge-error.ts";
import { localOps } from "../../cli/api-server.ts";
import { createOpsApp } from "../../ops/app.ts";
import { startTestApi } from "../support/ops.ts";

describe("the problem for an error of the core", () => {
  it.each([
    [new InvalidRequestError("any words"), 400, "wrong-call"],
    [new ComplianceUnavailableError("any words"), 503, "unavailable"],
    [new BridgeError("store-unavailable", "any words"), 503, "unavailable"],
    [new InvariantError("any words"), 500, "failed"],
    // These words once chose the status.
    [new RangeError("the cursor is any word"), 500, "failed"],
    [new Error("the store is closed"), 500, "failed"],
  ])("follows the error's code and not its words: %s", async (error, status, kind) => {
    await using api = await startTestApi();
    const { engine } = api;
    const failing = { ...engine, store: { packets: () => Promise.reject(error) } } as unknown as typeof engine;
    const app = createOpsApp(localOps(failing), { guard: (_, next) => next(), actorOf: () => "jo" });

    const answer = await app.request("/api/packets");

    expect([answer.status, await answer.json()]).toMatchObject([status, { type: `urn:hms-bridge:${kind}` }]);
  });
});
