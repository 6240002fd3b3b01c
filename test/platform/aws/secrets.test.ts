import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { describe, expect, it } from "vitest";
import { AwsSecrets } from "../../../platform/aws/secrets.ts";
import { awsServer, Refusal } from "../../support/aws-server.ts";

/** Starts a Secrets Manager server with secrets set by the test, and a clock that the test advances. */
async function aManager() {
  const stored = new Map<string, string>();
  let now = 0;
  let failing = false;
  const server = await awsServer(({ body }) => {
    if (failing) return new Refusal("AccessDeniedException");
    const SecretString = stored.get(body.SecretId);
    return SecretString === undefined ? new Refusal("ResourceNotFoundException") : { SecretString };
  });
  const client = new SecretsManagerClient(server.client);
  return {
    secrets: new AwsSecrets({ client, deployment: "hms-bridge", clock: { now: () => now } }),
    asked: server.asked,
    set: (name: string, token: string) => stored.set(`hms-bridge/${name}`, JSON.stringify({ token })),
    fail: (isFailing: boolean) => {
      failing = isFailing;
    },
    advance: (ms: number) => {
      now += ms;
    },
    async [Symbol.asyncDispose]() {
      client.destroy();
      await server[Symbol.asyncDispose]();
    },
  };
}

describe("connector secrets on AWS", () => {
  it("reads a missing secret again after ten seconds, not for every packet", async () => {
    await using manager = await aManager();
    expect(await manager.secrets.get("Fake@v1")).toBeUndefined();
    manager.set("Fake", "t-1");

    manager.advance(9_999);
    expect(await manager.secrets.get("Fake@v1")).toBeUndefined();
    expect(manager.asked).toHaveLength(2);

    manager.advance(1);
    expect(await manager.secrets.get("Fake@v1")).toEqual({ token: "t-1" });
  });

  it("caches a secret for five minutes", async () => {
    await using manager = await aManager();
    manager.set("Fake@v1", "t-1");
    await manager.secrets.get("Fake@v1");
    manager.set("Fake@v1", "t-2");

    manager.advance(299_999);
    expect(await manager.secrets.get("Fake@v1")).toEqual({ token: "t-1" });

    manager.advance(1);
    expect(await manager.secrets.get("Fake@v1")).toEqual({ token: "t-2" });
  });

  it("reads a secret once, however many packets need it at the same time", async () => {
    await using manager = await aManager();
    manager.set("Fake@v1", "t-1");

    await Promise.all(Array.from({ length: 10 }, () => manager.secrets.get("Fake@v1")));

    expect(manager.asked).toHaveLength(1);
  });

  it("reads a secret again at once after Secrets Manager failed", async () => {
    await using manager = await aManager();
    manager.set("Fake@v1", "t-1");
    manager.fail(true);
    await expect(manager.secrets.get("Fake@v1")).rejects.toThrow("refused");

    manager.fail(false);

    expect(await manager.secrets.get("Fake@v1")).toEqual({ token: "t-1" });
  });
});
