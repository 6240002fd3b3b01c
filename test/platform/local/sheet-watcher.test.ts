import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SheetsError, type SheetsUpdate, SheetWatcher } from "../../../platform/local/sheet-watcher.ts";
import { aCatalog } from "../../support/builders.ts";
import { home } from "../../support/home.ts";

const sheet = (to: string) => `source_event: t\ntargets: { a: { connector: Fake, map: { rate: ${to} } } }\n`;

describe("sheet watcher", () => {
  it("loads the sheets when opened", async () => {
    using home = aHome();
    home.write("a", sheet("x"));

    const folder = await home.open();

    expect(home.mapped(folder)).toEqual(["x"]);
    expect(home.updates).toEqual([{ kind: "loaded", sheets: 1, warnings: [expect.stringContaining('no "key:"')] }]);
  });

  it("reloads the sheets when one is changed, added, replaced or removed", async () => {
    using home = aHome();
    home.write("a", sheet("x"));
    const folder = await home.open();
    const seen: string[][] = [];
    const refreshed = async () => {
      await folder.refresh();
      seen.push(home.mapped(folder));
    };

    home.write("a", sheet("longer"));
    await refreshed();
    home.write("b", sheet("second"));
    await refreshed();
    writeFileSync(join(home.path, "new"), sheet("replaced"));
    renameSync(join(home.path, "new"), join(home.mappings, "b.yaml"));
    await refreshed();
    home.remove("a");
    await refreshed();

    expect(seen).toEqual([["longer"], ["longer", "second"], ["longer", "replaced"], ["replaced"]]);
  });

  it("applies a stricter policy at once, even if an example of a sheet now fails", { tags: "row-22" }, async () => {
    using home = aHome();
    const example =
      "examples: [{ name: n, event: { type: t, data: { rate: a@b.example } }, expect: { a: { x: a@b.example } } }]";
    const policy = join(home.path, "governance.yaml");
    const rule = (action: string) => `rules: [{ id: r, field: x, kinds: [email], action: ${action} }]\n`;
    writeFileSync(policy, rule("allow"));
    home.write("a", sheet("x") + example);
    const folder = await home.open();

    writeFileSync(policy, `${rule("block")}\n`);
    await folder.refresh();

    expect(folder.current.policy.rules).toMatchObject([{ id: "r", action: "block" }]);
    expect(home.mapped(folder)).toEqual(["x"]);
    expect(home.updates.at(-1)).toMatchObject({
      kind: "refused",
      faults: [expect.stringContaining("governance blocks")],
    });
  });

  it.each([
    ["empty", (home: { remove(name: string): void }) => home.remove("a")],
    ["missing", ({ mappings }: { mappings: string }) => rmSync(mappings, { recursive: true })],
  ])("keeps the sheets if the folder is %s, and reports it once", async (_, damage) => {
    using home = aHome();
    home.write("a", sheet("x"));
    const folder = await home.open();
    home.updates.length = 0;

    damage(home);
    await folder.refresh();
    await folder.refresh();

    expect(home.mapped(folder)).toEqual(["x"]);
    expect(home.updates).toMatchObject([{ kind: "refused" }]);
  });

  it("keeps the last valid sheets in force while a file is invalid, and reports the issue once", {
    tags: "row-20",
  }, async () => {
    using home = aHome();
    home.write("a", sheet("x"));
    const folder = await home.open();
    home.updates.length = 0;

    home.write("b", "source_event: t\ntragets: {}\n");
    await folder.refresh();
    await folder.refresh();

    expect(home.mapped(folder)).toEqual(["x"]);
    expect(home.updates).toHaveLength(1);
    expect(home.updates[0]).toMatchObject({
      kind: "refused",
      faults: expect.arrayContaining([
        expect.stringContaining('mappings/b.yaml:2: unknown key "tragets"; did you mean "targets"?'),
      ]),
    });
    home.remove("b");
    await folder.refresh();
    expect(home.updates.at(-1)).toMatchObject({ kind: "loaded" });
  });

  it("uses the last valid sheets after a restart with an invalid file", { tags: "row-20" }, async () => {
    using home = aHome();
    home.write("a", sheet("x"));
    await home.open();
    home.write("a", "source_event: [");

    const folder = await home.open();

    expect(home.mapped(folder)).toEqual(["x"]);
    expect(home.updates.at(-1)).toMatchObject({ kind: "refused" });
    home.write("a", sheet("fixed"));
    await folder.refresh();
    expect(home.mapped(folder)).toEqual(["fixed"]);
  });

  it("fails to open with an invalid file if the last valid sheets are missing or damaged", {
    tags: "row-20",
  }, async () => {
    using home = aHome();
    home.write("a", "source_event: [");

    await expect(home.open()).rejects.toThrow(SheetsError);
    writeFileSync(home.lastGood, '{"sheets":[{"file":"x","text"');
    await expect(home.open()).rejects.toThrow(/invalid YAML/);
  });

  it("loads governance with the sheets, and keeps the previous policy if the new one is invalid", {
    tags: ["row-20", "row-22"],
  }, async () => {
    using home = aHome();
    home.write("a", sheet("x"));
    const folder = await home.open();
    expect(folder.current.policy.otherwise).toBe("block");

    writeFileSync(join(home.path, "governance.yaml"), "otherwise: mask\n");
    await folder.refresh();
    expect(folder.current.policy.otherwise).toBe("mask");
    writeFileSync(join(home.path, "governance.yaml"), "otherwise: let everything through\n");
    await folder.refresh();

    expect(folder.current.policy.otherwise).toBe("mask");
    expect(home.updates.at(-1)).toMatchObject({ kind: "refused" });
  });

  it("keeps the sheets in force if the folder is deleted", async () => {
    using home = aHome();
    home.write("a", sheet("x"));
    const folder = await home.open();

    rmSync(home.mappings, { recursive: true });
    await folder.refresh();

    expect(home.mapped(folder)).toEqual(["x"]);
  });

  it("reads only YAML files and no subfolders", async () => {
    using home = aHome();
    home.write("a", sheet("x"));
    mkdirSync(join(home.mappings, "b.yaml"));
    writeFileSync(join(home.mappings, "notes.md"), "# not a sheet");
    writeFileSync(join(home.mappings, "c.yaml.bak"), "source_event: [");

    expect(home.mapped(await home.open())).toEqual(["x"]);
  });
});

function aHome() {
  const folder = home();
  const mappings = join(folder.path, "mappings");
  const lastGood = join(folder.path, "last-good.json");
  const updates: SheetsUpdate[] = [];
  mkdirSync(mappings);
  return {
    path: folder.path,
    mappings,
    lastGood,
    updates,
    write: (name: string, text: string) => writeFileSync(join(mappings, `${name}.yaml`), text),
    remove: (name: string) => rmSync(join(mappings, `${name}.yaml`)),
    open: () =>
      SheetWatcher.open({
        folder: mappings,
        catalog: aCatalog("Fake"),
        lastGoodFile: lastGood,
        onUpdate: (update) => updates.push(update),
      }),
    mapped: (opened: SheetWatcher) => opened.current.sheets.map(({ targets }) => targets[0]?.fields[0]?.to ?? "none"),
    [Symbol.dispose]() {
      if (existsSync(folder.path)) folder[Symbol.dispose]();
    },
  };
}
