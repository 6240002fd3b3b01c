import { chmodSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { bridgeKeyIn, LocalSecrets } from "../../../platform/local/secrets.ts";
import { home } from "../../support/home.ts";
import { killedAtEachCall, runKilled } from "../../support/killed-process.ts";

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

/** A store without records. */
const isNew = { hasRecords: () => false };
const hasRecords = { hasRecords: () => true };

describe("bridge key", () => {
  it("creates the key once, readable only by its owner", async () => {
    using folder = home();
    const file = join(folder.path, "key");

    const first = await bridgeKeyIn(file, isNew);
    const second = await bridgeKeyIn(file, hasRecords);

    expect(first.symmetricKeySize).toBe(32);
    expect(second.equals(first)).toBe(true);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it("creates a different key for a different store", async () => {
    using folder = home();

    const [a, b] = [join(folder.path, "a"), join(folder.path, "b")];

    expect((await bridgeKeyIn(a, isNew)).equals(await bridgeKeyIn(b, isNew))).toBe(false);
  });

  it("reads a key with capital letters or without a final line break", async () => {
    using folder = home();
    const file = join(folder.path, "key");
    writeFileSync(file, "AB".repeat(32), { mode: 0o600 });

    expect((await bridgeKeyIn(file, hasRecords)).export().toString("hex")).toBe("ab".repeat(32));
  });

  it.each(["", "\n", "abc", "00".repeat(31), "\0".repeat(65), `ab${"\0".repeat(63)}`])(
    "replaces a key that a crash left incomplete if the store has no records: %j",
    async (text) => {
      using folder = home();
      const file = join(folder.path, "key");
      writeFileSync(file, text, { mode: 0o600 });

      const key = await bridgeKeyIn(file, isNew);

      expect(readFileSync(file, "utf8")).toBe(`${key.export().toString("hex")}\n`);
      expect(statSync(file).mode & 0o777).toBe(0o600);
    },
  );

  it.each(["", "abc", "00".repeat(31), "zz".repeat(32), "00".repeat(33)])(
    "rejects a damaged key if the store has records: %j",
    async (text) => {
      using folder = home();
      const file = join(folder.path, "key");
      writeFileSync(file, text, { mode: 0o600 });

      await expect(bridgeKeyIn(file, hasRecords)).rejects.toThrow(
        `${file} does not hold 32 bytes in hex; restore it from a backup of the store`,
      );

      expect(readFileSync(file, "utf8")).toBe(text);
    },
  );

  it.each(["zz".repeat(32), "00".repeat(33), "-----BEGIN PRIVATE KEY-----"])(
    "rejects a file that is not an incomplete key even if the store has no records: %j",
    async (text) => {
      using folder = home();
      const file = join(folder.path, "key");
      writeFileSync(file, text, { mode: 0o600 });

      await expect(bridgeKeyIn(file, isNew)).rejects.toThrow(/does not hold 32 bytes in hex; restore it from a backup/);
    },
  );

  it("rejects a missing key if the store has records, instead of creating one that does not fit them", async () => {
    using folder = home();
    const file = join(folder.path, "key");

    await expect(bridgeKeyIn(file, hasRecords)).rejects.toThrow(
      `${file} is missing, but the store has records that need it; restore it from a backup of the store`,
    );

    expect(existsSync(file)).toBe(false);
  });

  it("rejects a key file that others can read", async () => {
    using folder = home();
    const file = join(folder.path, "key");
    writeFileSync(file, "00".repeat(32));
    chmodSync(file, 0o644);

    await expect(bridgeKeyIn(file, isNew)).rejects.toThrow(/chmod 600/);
  });

  it.each(["", undefined])("gives several processes at once the same key if the file holds %j", async (text) => {
    using folder = home();
    const file = join(folder.path, "key");
    if (text !== undefined) writeFileSync(file, text, { mode: 0o600 });

    const results = await Promise.all([1, 2, 3, 4].map(() => runKilled(readingKey(file), 0)));

    expect(new Set(results.map(({ output }) => output))).toEqual(new Set([readFileSync(file, "utf8")]));
  });

  it("gives every later process one key after a crash at any call", { timeout: 60_000 }, async () => {
    using folder = home();
    let crashes = 0;

    for (const text of [undefined, ""]) {
      const file = join(folder.path, `key ${text}`);
      for await (const { calls } of killedAtEachCall(readingKey(file))) {
        crashes++;
        const key = await bridgeKeyIn(file, isNew);
        expect((await bridgeKeyIn(file, hasRecords)).equals(key), calls.join()).toBe(true);
        rmSync(file);
        if (text !== undefined) writeFileSync(file, text, { mode: 0o600 });
      }
    }

    expect(crashes).toBeGreaterThanOrEqual(10);
  });
});

/** A module that prints the key as the file holds it. */
function readingKey(file: string): string {
  const module = join(import.meta.dirname, "..", "..", "..", "platform", "local", "secrets.ts");
  return `
    import { bridgeKeyIn } from ${JSON.stringify(module)};
    const key = await bridgeKeyIn(${JSON.stringify(file)}, { hasRecords: () => false });
    console.log(key.export().toString("hex"));`;
}
