import { execFileSync } from "node:child_process";
import { appendFileSync, chmodSync, mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { FileError } from "../../../bridge/ports/files.ts";
import { LocalFiles } from "../../../platform/local/files.ts";
import { filesContract } from "../../contract/files-contract.ts";
import { home } from "../../support/home.ts";

filesContract("this machine", async () => {
  const folder = home();
  return {
    port: new LocalFiles([join(folder.path, "in")]),
    address: (name) => `file://${folder.path}/${name}`,
    keepsVersions: false,
    async store(name, text) {
      if (text === undefined) rmSync(join(folder.path, name));
      else folder.write(name, text);
    },
    [Symbol.asyncDispose]: async () => folder[Symbol.dispose](),
  };
});

describe("local files", () => {
  it.each([
    ["file", "elsewhere/secret", "in/link", "in/link"],
    ["folder", "elsewhere", "in/folder", "in/folder/secret"],
  ])("rejects a link to a %s outside the allowed folders", async (_, to, from, asked) => {
    using folder = home({ "elsewhere/secret": "secret", "in/roster": "text" });
    symlinkSync(join(folder.path, to), join(folder.path, from));
    const files = new LocalFiles([join(folder.path, "in")]);

    const found = files.find(addressOf(folder.path, asked));

    await expect(found).rejects.toThrow(FileError);
    await expect(found).rejects.toThrow(/outside the folders/);
  });

  it("follows links within an allowed folder, which may itself be a link", async () => {
    using folder = home({ "real/roster": "text" });
    symlinkSync(join(folder.path, "real"), join(folder.path, "in"));
    symlinkSync(join(folder.path, "real/roster"), join(folder.path, "real/today"));
    const files = new LocalFiles([join(folder.path, "in")]);

    expect(await files.find(addressOf(folder.path, "in/today"))).toMatchObject({ bytes: 4 });
  });

  it("rejects a file that grows or is replaced while it is read", async () => {
    using folder = home({ "in/a": "x".repeat(1_000_000), "in/b": "y".repeat(1_000_000) });
    const files = new LocalFiles([join(folder.path, "in")]);
    const read = async (during: () => void) => {
      const file = await files.find(addressOf(folder.path, "in/a"));
      for await (const _ of files.read(file, { from: 0, to: file.bytes })) during();
    };

    await expect(read(() => appendFileSync(join(folder.path, "in/a"), "x"))).rejects.toThrow(/has changed/);
    const file = await files.find(addressOf(folder.path, "in/a"));
    renameSync(join(folder.path, "in/b"), join(folder.path, "in/a"));
    await expect(files.read(file, { from: 0, to: 1 }).next()).rejects.toThrow(/has changed/);
  });

  it("rejects anything but a regular file, and does not wait for a pipe", async () => {
    using folder = home({ "in/roster": "text" });
    mkdirSync(join(folder.path, "in/folder"));
    execFileSync("mkfifo", [join(folder.path, "in/pipe")]);
    const files = new LocalFiles([join(folder.path, "in")]);

    for (const name of ["folder", "pipe"]) {
      await expect(files.find(addressOf(folder.path, `in/${name}`))).rejects.toThrow(/is not a regular file/);
    }
    await expect(files.find(addressOf(folder.path, "in/roster/deeper"))).rejects.toThrow(/is not there/);
    await expect(files.find(`file://server${folder.path}/in/roster`)).rejects.toThrow(FileError);
    await expect(files.find(`file://${folder.path}/in%2Froster`)).rejects.toThrow(FileError);
  });

  it.skipIf(process.getuid?.() === 0)("reports a file that this process may not read", async () => {
    using folder = home({ "in/roster": "text" });
    chmodSync(join(folder.path, "in/roster"), 0);

    const found = new LocalFiles([join(folder.path, "in")]).find(addressOf(folder.path, "in/roster"));

    await expect(found).rejects.toThrow(/cannot be read by this process/);
  });

  it("reads no file if no folder is allowed", async () => {
    using folder = home({ "in/roster": "text" });

    await expect(new LocalFiles([]).find(addressOf(folder.path, "in/roster"))).rejects.toThrow(/outside the folders/);
  });
});

function addressOf(folder: string, name: string): string {
  return pathToFileURL(join(folder, name)).href;
}
