import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { listConnectorFiles } from "../../connectors/protocols/load-connectors.ts";
import { loadCatalog } from "../../library/bridge.ts";
import { readFolder, readTexts } from "../../platform/local/sheet-watcher.ts";

const root = join(import.meta.dirname, "../..");

test("the example sheets are valid, and their examples pass", async () => {
  const declared = await listConnectorFiles(join(root, "examples/connectors"));
  const catalog = await loadCatalog(declared.map(({ connector }) => connector));

  const { sheets } = await readTexts(readFolder(join(root, "examples/sheets")), catalog);

  expect(sheets.issues).toEqual([]);
  expect(sheets.warnings).toEqual([]);
  expect(sheets.sheets.length).toBeGreaterThan(0);
});

test("each connector accepts the configurations shown in the documentation", async () => {
  const catalog = await loadCatalog();
  const text = ["connectors.md", "inbound.md"].map((page) => readFileSync(join(root, "docs", page), "utf8")).join("\n");
  const shown = [...text.matchAll(/```yaml\n(connectors:\n[\s\S]*?)```/g)].flatMap(([, yaml]) =>
    Object.entries((parse(yaml as string) as { connectors: Record<string, unknown> }).connectors),
  );

  const issues = shown.flatMap(([name, config]) => {
    const found = catalog.find(name);
    if (!("connector" in found)) return [found.issue];
    return (found.connector.config.safeParse(config).error?.issues ?? []).map(
      ({ path, message }) => `${name}.${path.join(".")} ${message}`,
    );
  });

  expect(issues).toEqual([]);
  expect(shown.length).toBeGreaterThan(3);
});
