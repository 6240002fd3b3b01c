import { describe, expect, it } from "vitest";
import type { SecretsPort } from "../../bridge/ports/secrets.ts";

/** An engine's secrets, with a hand that can change them. */
export interface SecretsFixture extends AsyncDisposable {
  readonly port: SecretsPort;
  /** Stores a connector's secret as an administrator would; `undefined` takes it away. */
  store(connector: string, secret: Record<string, unknown> | undefined): Promise<void>;
}

/** What every engine's secrets keep. */
export function secretsContract(engine: string, makeFixture: () => Promise<SecretsFixture>): void {
  describe(`secrets of ${engine}`, () => {
    it("are given as stored, by connector, and undefined where there is none", async () => {
      await using fixture = await makeFixture();
      await fixture.store("Fake@v1", { token: "t-1", nested: { list: [1, null] } });

      expect(await fixture.port.get("Fake@v1")).toEqual({ token: "t-1", nested: { list: [1, null] } });
      expect(await fixture.port.get("Other@v1")).toBeUndefined();
    });

    it("serve every version of a connector that has none of its own", async () => {
      await using fixture = await makeFixture();
      await fixture.store("Fake", { token: "all" });
      await fixture.store("Fake@v2", { token: "two" });

      expect(await fixture.port.get("Fake@v1")).toEqual({ token: "all" });
      expect(await fixture.port.get("Fake@v2")).toEqual({ token: "two" });
    });

    it("are seen rotated after a refresh", async () => {
      await using fixture = await makeFixture();
      await fixture.store("Fake@v1", { token: "old" });
      await fixture.port.get("Fake@v1");

      await fixture.store("Fake@v1", { token: "new" });
      await fixture.port.refresh("Fake@v1");

      expect(await fixture.port.get("Fake@v1")).toEqual({ token: "new" });
    });

    it("turn up after a refresh where they were missing", async () => {
      await using fixture = await makeFixture();
      expect(await fixture.port.get("Fake@v1")).toBeUndefined();

      await fixture.store("Fake@v1", { token: "t" });
      await fixture.port.refresh("Fake@v1");

      expect(await fixture.port.get("Fake@v1")).toEqual({ token: "t" });
    });

    it.each(["__proto__", "constructor", "toString@v1"])("know no secret of a connector called %s", async (name) => {
      await using fixture = await makeFixture();
      await fixture.store("Fake@v1", { token: "t" });

      expect(await fixture.port.get(name)).toBeUndefined();
    });
  });
}
