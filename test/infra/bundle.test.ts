import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { type Bundle, bundle, projectRoot } from "../../infra/bundle.ts";

const kib = 1_024;
const connectorFiles = readdirSync("connectors").filter((name) => name.endsWith(".ts"));

function outDir(): string {
  return mkdtempSync(join(tmpdir(), "bridge-bundle-"));
}

/** The best of a few fresh processes, in ms: what a cold start spends on a bundle before its first call. */
function importMs({ dir }: Bundle): number {
  const file = JSON.stringify(pathToFileURL(join(dir, "index.mjs")).href);
  const script = `const begun = performance.now(); await import(${file}); console.log(performance.now() - begun);`;
  const times = Array.from({ length: 3 }, () =>
    Number(execFileSync(process.execPath, ["--input-type=module", "--eval", script], { encoding: "utf8" })),
  );
  return Math.min(...times);
}

/** Says a bundle's size and how long it takes to import; only the size has a limit, because a machine may be busy. */
function report(name: string, made: Bundle): void {
  console.log(`${name}: ${(made.bytes / kib).toFixed(0)} KiB, imported in ${importMs(made).toFixed(0)} ms`);
}

describe("a function's bundle", () => {
  it.each(connectorFiles)("of connectors/%s holds that connector and no other, in 500 KiB", (file) => {
    const made = bundle({
      entry: "functions/connector.ts",
      connectorFile: join(projectRoot, "connectors", file),
      outDir: outDir(),
    });
    report(`connectors/${file}`, made);

    const { sources, bytes } = made;
    const held = sources.filter((source) => /^connectors\/[^/]+$/.test(source));
    expect(held).toEqual([`connectors/${file}`]);
    expect(sources.filter((source) => /sqlite|platform\/local\/(store|queue|database)/.test(source))).toEqual([]);
    expect(bytes).toBeLessThanOrEqual(500 * kib);
  });

  it("of the ledger's keeping holds no connector and no sheets, in 500 KiB", () => {
    const made = bundle({ entry: "functions/ledger.ts", outDir: outDir() });
    report("functions/ledger.ts", made);

    expect(made.sources.filter((source) => /^connectors\/|^bridge\/(sheet|map|vet)/.test(source))).toEqual([]);
    expect(made.bytes).toBeLessThanOrEqual(500 * kib);
  });

  // Larger than a connector's: sheets take JSONata and a regex engine that no pattern can hang, 230 KiB together, and
  // S3's client 155 KiB, most of it the shapes of calls that are never made.
  it.each([
    ["mapper", 880],
    ["sheet-check", 400],
  ])("of the %s holds no connector and reads no YAML, in %i KiB", (name, most) => {
    const made = bundle({ entry: `functions/${name}.ts`, outDir: outDir() });
    report(`functions/${name}.ts`, made);

    const { sources, bytes } = made;
    expect(sources.filter((source) => source.startsWith("connectors/"))).toEqual([]);
    expect(sources.filter((source) => source.endsWith("-text.ts"))).toEqual([]);
    expect(bytes).toBeLessThanOrEqual(most * kib);
  });
});
