import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { FolderError, writeAtomically } from "../../../../connectors/protocols/files/folder.ts";
import { folderIn, onEachFolder } from "../../../support/folders.ts";

onEachFolder("a folder", (promise) => {
  promise("writes a file under a temporary name and renames it once complete", async (served, path) => {
    const bytes = Buffer.alloc(200_000, "0123456789");
    let seenBefore: string[] = [];

    await served.use((folder) =>
      writeAtomically(folder, "a.csv", bytes, () => {
        seenBefore = readdirSync(path);
      }),
    );

    expect(seenBefore).toEqual([expect.stringMatching(/^\.a\.csv\.\w{8}\.part$/)]);
    expect(readdirSync(path)).toEqual(["a.csv"]);
    expect(readFileSync(join(path, "a.csv")).equals(bytes)).toBe(true);
  });

  promise("sizes, reads, lists, renames and removes a file", async (served, path) => {
    writeFileSync(join(path, "a.txt"), "twelve bytes");
    const done = folderIn(path, "done");

    await served.use(async (folder) => {
      expect(await folder.size("a.txt")).toBe(12);
      expect(await folder.size("b.txt")).toBeUndefined();
      expect(String(await folder.read("a.txt", 12))).toBe("twelve bytes");
      expect(await folder.list()).toMatchObject([{ name: "a.txt", bytes: 12 }]);
      await folder.rename("a.txt", "done/a.txt");
    });
    expect(readdirSync(done)).toEqual(["a.txt"]);
    await served.use(async (folder) => {
      await folder.remove("done/a.txt");
      await folder.remove("done/a.txt");
    });
    expect(readdirSync(done)).toEqual([]);
  });

  promise("refuses to read a file over the size limit", async (served, path) => {
    writeFileSync(join(path, "a.txt"), "twelve bytes");

    await expect(served.use((folder) => folder.read("a.txt", 11))).rejects.toThrow(FolderError);
  });

  promise("leaves no partial file if writing fails", async (served) => {
    const upload = served.use((folder) =>
      writeAtomically(folder, "a.csv", Buffer.from("x"), () => {
        throw new FolderError("the connection failed", "answered");
      }),
    );

    await expect(upload).rejects.toThrow("the connection failed");
    expect(await served.use((folder) => folder.list())).toEqual([]);
  });
});
