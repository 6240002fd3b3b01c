import { describe, expect, it } from "vitest";
import { delivered, refused, retry, retryCodeOf, unknown } from "../../../bridge/model/outcome.ts";

type Retry = Extract<ReturnType<typeof retry>, { kind: "retry" }>;

describe("a retry outcome", () => {
  it.each([
    [{ code: "no-answer", auth: true, status: 401 }, "no-answer"],
    [{ auth: true, status: 401 }, "credentials"],
    [{ status: 503 }, "answered"],
    [{ auth: false, status: 200 }, "answered"],
    [{}, "other"],
  ] as const)("with the properties %j has the code %s in logs and metrics", (facts, code) => {
    expect(retryCodeOf(retry("why", facts) as Retry)).toBe(code);
  });

  it("counts as possibly landed unless its creator says otherwise", () => {
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
