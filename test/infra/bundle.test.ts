import { mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { bundle, projectRoot } from "../../infra/bundle.ts";

const kib = 1_024;
const connectorFiles = readdirSync("connectors").filter((name) => name.endsWith(".ts"));

function outDir(): string {
  return mkdtempSync(join(tmpdir(), "bridge-bundle-"));
}

describe("a function's bundle", () => {
  it.each(connectorFiles)("of connectors/%s holds that connector and no other, in 500 KiB", (file) => {
    const { sources, bytes } = bundle({
      entry: "functions/connector.ts",
      connectorFile: join(projectRoot, "connectors", file),
      outDir: outDir(),
    });
    console.log(`connectors/${file}: ${(bytes / kib).toFixed(0)} KiB`);

    const held = sources.filter((source) => /^connectors\/[^/]+$/.test(source));
    expect(held).toEqual([`connectors/${file}`]);
    expect(sources.filter((source) => /sqlite|platform\/local\/(store|queue|database)/.test(source))).toEqual([]);
    expect(bytes).toBeLessThanOrEqual(500 * kib);
  });

  // Larger than a connector's: sheets take JSONata and a regex engine that no pattern can hang, 230 KiB together.
  it("of the mapper holds no connector, in 800 KiB", () => {
    const { sources, bytes } = bundle({ entry: "functions/mapper.ts", outDir: outDir() });
    console.log(`functions/mapper.ts: ${(bytes / kib).toFixed(0)} KiB`);

    expect(sources.filter((source) => source.startsWith("connectors/"))).toEqual([]);
    expect(bytes).toBeLessThanOrEqual(800 * kib);
  });
});
