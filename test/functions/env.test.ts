import { describe, expect, it } from "vitest";
import { readConnectorEnv, readMapperEnv } from "../../functions/env.ts";
import { aPathEnv } from "./path-env.ts";

const pathEnv = aPathEnv();

describe("function environment", () => {
  it("reads the variables that the constructs write and ignores Lambda's own", () => {
    expect(readMapperEnv({ ...pathEnv, AWS_REGION: "us-gov-west-1" })).toEqual({
      ...pathEnv,
      PLACES: [],
      PAYLOAD_RETENTION_DAYS: 90,
    });
    expect(readConnectorEnv({ ...pathEnv, CONFIG: '{"baseUrl":"https://hr.gov/api"}' }).CONFIG).toEqual({
      baseUrl: "https://hr.gov/api",
    });
  });

  it.each(Object.keys(pathEnv).filter((name) => name !== "LOG_LEVEL"))("names %s if it is missing", (name) => {
    expect(() => readMapperEnv({ ...pathEnv, [name]: undefined })).toThrow(`the environment variable ${name}: `);
  });

  it("parses the compliance engine's URL and fills in its timeouts", () => {
    const governance = (text: string) => readMapperEnv({ ...pathEnv, GOVERNANCE: text }).GOVERNANCE;

    expect(governance('{"url":"https://esq.hms.gov/vet"}')).toEqual({
      url: "https://esq.hms.gov/vet",
      timeoutMs: 2_000,
      cacheMs: 300_000,
    });
    expect(() => governance('{"url":"file:///etc/passwd"}')).toThrow("the environment variable GOVERNANCE.url: is not");
  });

  it("accepts S3 folders in PLACES but no wildcards", () => {
    const places = (...given: string[]) => readMapperEnv({ ...pathEnv, PLACES: JSON.stringify(given) }).PLACES;

    expect(places("s3://agency-rosters/", "s3://agency/from hms/")).toEqual([
      "s3://agency-rosters/",
      "s3://agency/from hms/",
    ]);
    for (const place of [
      "s3://*/",
      "s3://b/*/",
      "s3://bucket/folder",
      "s3://bucket//",
      "https://bucket/",
      "s3://bucket/?/",
    ]) {
      expect(() => places(place)).toThrow("the environment variable PLACES.0: is not a folder URL");
    }
  });

  it("rejects an invalid variable without repeating its value", () => {
    const secret = "{ password: hunter2";

    expect(() => readConnectorEnv({ ...pathEnv, CONFIG: secret })).toThrow(
      /^the environment variable CONFIG: is not valid JSON/,
    );
    expect(() => readConnectorEnv({ ...pathEnv, CONFIG: secret })).not.toThrow(/hunter2/);
  });
});
