import { describe, expect, it } from "vitest";
import { delivered, refused, retry, retryCodeOf, unknown } from "../../../bridge/model/outcome.ts";

type Retry = Extract<ReturnType<typeof retry>, { kind: "retry" }>;

describe("a retry outcome", () => {
  it.each([
    ["no-answer", { code: "no-answer", auth: true, status: 401 }],
    ["credentials", { auth: true, status: 401 }],
    ["answered", { status: 503 }],
    ["answered", { auth: false, status: 200 }],
    ["other", {}],
  ] as const)("has the code %s if it is created with %j", (code, facts) => {
    expect(retryCodeOf(retry("why", facts) as Retry)).toBe(code);
  });

  it("counts as possibly landed by default", () => {
    expect(retry("why")).toEqual({ kind: "retry", reason: "why", mayHaveLanded: true });
    expect(retry("why", { mayHaveLanded: false })).toMatchObject({ mayHaveLanded: false });
  });
});

it("every outcome has its kind and the facts it was created with", () => {
  expect(delivered()).toEqual({ kind: "delivered" });
  expect(delivered({ at: "/rates", status: 204, remoteId: "7" })).toEqual({
    kind: "delivered",
    at: "/rates",
    status: 204,
    remoteId: "7",
  });
  expect(refused("no", { status: 422, answer: "no such rate" })).toEqual({
    kind: "refused",
    reason: "no",
    status: 422,
    answer: "no such rate",
  });
  expect(unknown("no answer")).toEqual({ kind: "unknown", reason: "no answer" });
});
