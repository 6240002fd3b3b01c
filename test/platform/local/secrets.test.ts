import { chmodSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { bridgeKeyIn, LocalSecrets } from "../../../platform/local/secrets.ts";
import { home } from "../../support/home.ts";

describe("secrets file", () => {
  it.each([0o644, 0o640, 0o604, 0o660, 0o666])("rejects mode %o and names the fix", async (mode) => {
    using folder = home();
    const file = join(folder.path, "secrets.json");
    writeFileSync(file, '{"Fake":{"token":"hunter2"}}');
    chmodSync(file, mode);

    await expect(new LocalSecrets(file, {}).get("Fake@v1")).rejects.toThrow(
      `${file} can be read by others; run: chmod 600 ${file}`,
    );
  });

  it.each([0o600, 0o400])("accepts mode %o", async (mode) => {
    using folder = home();
    const file = join(folder.path, "secrets.json");
    writeFileSync(file, '{"Fake":{"token":"t"}}', { mode });

    expect(await new LocalSecrets(file, {}).get("Fake@v1")).toEqual({ token: "t" });
  });

  it.each(["hunter2", '{"Fake": "hunter2', "[]", '"hunter2"', "null"])(
    "rejects content that is not a JSON object without repeating it: %s",
    async (text) => {
      using folder = home();
      const file = join(folder.path, "secrets.json");
      writeFileSync(file, text, { mode: 0o600 });

      const fault: unknown = await new LocalSecrets(file, {}).get("Fake").catch((error: unknown) => error);

      expect((fault as Error).message).toMatch(/is not (JSON|a JSON object)/);
      expect((fault as Error).message).not.toContain("hunter2");
    },
  );

  it("takes precedence over the environment, whose invalid values are reported without repeating them", async () => {
    using folder = home();
    const file = join(folder.path, "secrets.json");
    writeFileSync(file, '{"Fake@v1":{"token":"file"}}', { mode: 0o600 });
    const secrets = new LocalSecrets(file, {
      BRIDGE_SECRET_FAKE_V1: '{"token":"env"}',
      BRIDGE_SECRET_OTHER: "hunter2",
    });

    expect(await secrets.get("Fake@v1")).toEqual({ token: "file" });
    const fault: unknown = await secrets.get("Other@v3").catch((error: unknown) => error);
    expect((fault as Error).message).toContain("BRIDGE_SECRET_OTHER");
    expect((fault as Error).message).not.toContain("hunter2");
  });
});

describe("changed secrets file", () => {
  it("reads a changed file again, whether overwritten or replaced", async () => {
    using folder = home();
    const file = join(folder.path, "secrets.json");
    const secrets = new LocalSecrets(file, {});
    const before = await secrets.get("Fake@v1");

    writeFileSync(file, '{"Fake":{"token":"first"}}', { mode: 0o600 });
    const first = await secrets.get("Fake@v1");
    writeFileSync(`${file}.new`, '{"Fake":{"token":"other"}}', { mode: 0o600 });
    renameSync(`${file}.new`, file);
    const other = await secrets.get("Fake@v1");

    expect([before, first, other]).toEqual([undefined, { token: "first" }, { token: "other" }]);
  });
});

describe("bridge key", () => {
  it("creates the key once, readable only by its owner", () => {
    using folder = home();
    const file = join(folder.path, "key");

    const first = bridgeKeyIn(file);
    const second = bridgeKeyIn(file);

    expect(first.symmetricKeySize).toBe(32);
    expect(second.equals(first)).toBe(true);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it("creates a different key for a different store", () => {
    using folder = home();

    expect(bridgeKeyIn(join(folder.path, "a")).equals(bridgeKeyIn(join(folder.path, "b")))).toBe(false);
  });

  it.each(["", "abc", "zz".repeat(32), "00".repeat(31)])(
    "rejects a damaged key instead of replacing it: %j",
    (text) => {
      using folder = home();
      const file = join(folder.path, "key");
      writeFileSync(file, text, { mode: 0o600 });

      expect(() => bridgeKeyIn(file)).toThrow(/does not hold 32 bytes in hex; restore it from a backup/);
    },
  );

  it("rejects a key file that others can read", () => {
    using folder = home();
    const file = join(folder.path, "key");
    writeFileSync(file, "00".repeat(32));
    chmodSync(file, 0o644);

    expect(() => bridgeKeyIn(file)).toThrow(/chmod 600/);
  });
});
