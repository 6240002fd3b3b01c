import { describe, expect, it } from "vitest";
import type { SecretsPort } from "../../bridge/ports/secrets.ts";

/** One engine's secrets, which a test can change. */
export interface SecretsFixture extends AsyncDisposable {
  readonly port: SecretsPort;
  /** Stores a connector's secret as an administrator would; `undefined` removes it. */
  store(connector: string, secret: Record<string, unknown> | undefined): Promise<void>;
}

/** Checks an engine's secret port. */
export function secretsContract(engine: string, makeFixture: () => Promise<SecretsFixture>): void {
  describe(`secrets of ${engine}`, () => {
    it("returns a connector's secret as stored, or undefined if it has none", async () => {
      await using fixture = await makeFixture();
      await fixture.store("Fake@v1", { token: "t-1", nested: { list: [1, null] } });

      expect(await fixture.port.get("Fake@v1")).toEqual({ token: "t-1", nested: { list: [1, null] } });
      expect(await fixture.port.get("Other@v1")).toBeUndefined();
    });

    it("falls back to the connector's secret for a version without its own", async () => {
      await using fixture = await makeFixture();
      await fixture.store("Fake", { token: "all" });
      await fixture.store("Fake@v2", { token: "two" });

      expect(await fixture.port.get("Fake@v1")).toEqual({ token: "all" });
      expect(await fixture.port.get("Fake@v2")).toEqual({ token: "two" });
    });

    it("returns a rotated secret after a refresh", async () => {
      await using fixture = await makeFixture();
      await fixture.store("Fake@v1", { token: "old" });
      await fixture.port.get("Fake@v1");

      await fixture.store("Fake@v1", { token: "new" });
      await fixture.port.refresh("Fake@v1");

      expect(await fixture.port.get("Fake@v1")).toEqual({ token: "new" });
    });

    it("returns a new secret after a refresh", async () => {
      await using fixture = await makeFixture();
      expect(await fixture.port.get("Fake@v1")).toBeUndefined();

      await fixture.store("Fake@v1", { token: "t" });
      await fixture.port.refresh("Fake@v1");

      expect(await fixture.port.get("Fake@v1")).toEqual({ token: "t" });
    });

    it.each(["__proto__", "constructor", "toString@v1"])("finds no secret for a connector named %s", async (name) => {
      await using fixture = await makeFixture();
      await fixture.store("Fake@v1", { token: "t" });

      expect(await fixture.port.get(name)).toBeUndefined();
    });
  });
}
