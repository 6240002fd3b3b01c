import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Bridge } from "../../../index.ts";
import { home } from "../../support/home.ts";
import { killedAtEachCall, runKilled } from "../../support/killed-process.ts";

const library = join(import.meta.dirname, "..", "..", "..", "index.ts");

/** A module that opens a store and closes it. */
const opening = (dir: string) => `
  import { Bridge } from ${JSON.stringify(library)};
  await using bridge = new Bridge({ dir: ${JSON.stringify(dir)}, mappings: [], register: [], work: false });
  await bridge.open();`;

function bridgeIn(dir: string): Bridge {
  return new Bridge({ dir, mappings: [], register: [], work: false });
}

async function emitOne(dir: string): Promise<void> {
  await using bridge = bridgeIn(dir);
  await bridge.emit({ type: "t", source: "test", id: "1", data: {} });
}

describe("first start of a store", () => {
  it("can be repeated after a crash at any call that changes a file, and gives a store with one key", {
    timeout: 120_000,
  }, async () => {
    using folder = home();
    const dir = join(folder.path, "store");
    let crashes = 0;

    for await (const { calls } of killedAtEachCall(opening(dir), { only: "files" })) {
      crashes++;
      await emitOne(dir);
      expect(readFileSync(join(dir, "key"), "utf8"), calls.join()).toMatch(/^[0-9a-f]{64}\n$/);
      rmSync(dir, { recursive: true });
    }

    expect(crashes).toBeGreaterThanOrEqual(6);
  });

  it("gives several processes at once the same store", { timeout: 30_000 }, async () => {
    using folder = home();
    const dir = join(folder.path, "store");

    await Promise.all([1, 2, 3, 4].map(() => runKilled(opening(dir), 0)));

    await emitOne(dir);
    expect(readFileSync(join(dir, "key"), "utf8")).toMatch(/^[0-9a-f]{64}\n$/);
  });

  it("replaces an empty key file that an earlier release left behind", async () => {
    using folder = home();
    writeFileSync(join(folder.path, "key"), "", { mode: 0o600 });

    await emitOne(folder.path);

    expect(readFileSync(join(folder.path, "key"), "utf8")).toMatch(/^[0-9a-f]{64}\n$/);
  });

  it.each(["", undefined])(
    "fails if the store has records and its key file holds %j, and names the fix",
    async (text) => {
      using folder = home();
      await emitOne(folder.path);
      const file = join(folder.path, "key");
      const key = readFileSync(file, "utf8");
      rmSync(file);
      if (text !== undefined) writeFileSync(file, text, { mode: 0o600 });

      await expect(bridgeIn(folder.path).open()).rejects.toThrow(/restore it from a backup of the store/);

      writeFileSync(file, key, { mode: 0o600 });
      await emitOne(folder.path);
    },
  );
});
