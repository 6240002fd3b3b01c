import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createFile, replaceFile } from "../../platform/durable-file.ts";
import { home } from "../support/home.ts";
import { killedAtEachCall, runKilled } from "../support/killed-process.ts";

const module = join(import.meta.dirname, "..", "..", "platform", "durable-file.ts");

const calling = (name: "createFile" | "replaceFile", file: string, text: string) =>
  `import { ${name} } from ${JSON.stringify(module)};
   console.log(await ${name}(${JSON.stringify(file)}, ${JSON.stringify(text)}));`;

function contentOf(file: string): string | undefined {
  return statSync(file, { throwIfNoEntry: false }) && readFileSync(file, "utf8");
}

describe("creating a file", () => {
  it("creates it with its content, readable only by its owner", async () => {
    using folder = home();
    const file = join(folder.path, "a");

    expect(await createFile(file, "text")).toBe(true);

    expect(readFileSync(file, "utf8")).toBe("text");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder.path)).toEqual(["a"]);
  });

  it("leaves an existing file unchanged", async () => {
    using folder = home({ a: "first" });

    expect(await createFile(join(folder.path, "a"), "second")).toBe(false);

    expect(readFileSync(join(folder.path, "a"), "utf8")).toBe("first");
    expect(readdirSync(folder.path)).toEqual(["a"]);
  });

  it("lets exactly one of several processes at once create it", async () => {
    using folder = home();
    const file = join(folder.path, "a");

    const results = await Promise.all(
      ["1", "2", "3", "4"].map((text) => runKilled(calling("createFile", file, text), 0)),
    );

    const created = results.flatMap(({ output }, i) => (output === "true\n" ? [`${i + 1}`] : []));
    expect(created).toEqual([readFileSync(file, "utf8")]);
  });

  it("copies the file on a file system without hard links, and still leaves an existing one unchanged", async () => {
    using folder = home();
    const file = join(folder.path, "a");
    const create = `
      import fs from "node:fs/promises";
      import { syncBuiltinESMExports } from "node:module";
      fs.link = async () => { throw Object.assign(new Error("no links"), { code: "EPERM" }); };
      syncBuiltinESMExports();
      const { createFile } = await import(${JSON.stringify(module)});
      console.log(await createFile(${JSON.stringify(file)}, "first"), await createFile(${JSON.stringify(file)}, "second"));`;

    const { output } = await runKilled(create, 0);

    expect(output).toBe("true false\n");
    expect(readFileSync(file, "utf8")).toBe("first");
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it("has no content or all of it after a crash at any call", { timeout: 30_000 }, async () => {
    using folder = home();
    const contents = new Set<string | undefined>();
    let crashes = 0;

    for await (const _ of killedAtEachCall(calling("createFile", join(folder.path, "a"), "text"))) {
      crashes++;
      contents.add(contentOf(join(folder.path, "a")));
    }

    expect(crashes).toBeGreaterThanOrEqual(5);
    expect([...contents]).toEqual([undefined, "text"]);
  });

  it("flushes the content before the file gets its name, and the name afterwards", async () => {
    using folder = home();

    const { calls } = await runKilled(calling("createFile", join(folder.path, "a"), "text"), 0);

    expect(calls).toEqual(["open", "write", "sync", "link", "rm", "open", "sync"]);
  });
});

describe("replacing a file", () => {
  it("has the old content or the new one after a crash at any call", { timeout: 30_000 }, async () => {
    using folder = home({ a: "old" });
    const contents = new Set<string | undefined>();
    let crashes = 0;

    for await (const _ of killedAtEachCall(calling("replaceFile", join(folder.path, "a"), "new"))) {
      crashes++;
      contents.add(contentOf(join(folder.path, "a")));
    }

    expect(crashes).toBeGreaterThanOrEqual(5);
    expect([...contents]).toEqual(["old", "new"]);
  });

  it("flushes the content before the file gets its name, and the name afterwards", async () => {
    using folder = home({ a: "old" });

    const { calls } = await runKilled(calling("replaceFile", join(folder.path, "a"), "new"), 0);

    expect(calls).toEqual(["open", "write", "sync", "rename", "open", "sync"]);
  });

  it("leaves the old file and nothing else if it fails", async () => {
    using folder = home({ "a/inside": "old" });

    await expect(replaceFile(join(folder.path, "a"), "new")).rejects.toThrow(/EISDIR|ENOTEMPTY|EEXIST/);

    expect(readdirSync(folder.path)).toEqual(["a"]);
  });
});
