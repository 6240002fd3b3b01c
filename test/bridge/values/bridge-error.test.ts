import { describe, expect, it } from "vitest";
import { BridgeError, InvalidRequestError, InvariantError } from "../../../bridge/values/bridge-error.ts";

describe("a bridge error", () => {
  it.each([
    [new BridgeError("store-unavailable", "the store is closed"), "BridgeError", "store-unavailable"],
    [new InvalidRequestError("the reason is empty"), "InvalidRequestError", "invalid-request"],
    [new InvariantError("pkt-1 has no event"), "InvariantError", "invariant-broken"],
  ])("carries its name and a stable code: %s", (error, name, code) => {
    expect(error).toBeInstanceOf(BridgeError);
    expect({ name: error.name, code: error.code }).toEqual({ name, code });
  });

  it("keeps its cause", () => {
    const cause = new Error("disk full");

    expect(new BridgeError("store-unavailable", "the store is closed", { cause }).cause).toBe(cause);
  });

  it("says that a broken invariant is a bug in the bridge", () => {
    expect(new InvariantError("pkt-1 has no event").message).toBe("pkt-1 has no event; this is a bug in the bridge");
  });
});
