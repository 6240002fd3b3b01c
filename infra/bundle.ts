import { mkdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { buildSync } from "esbuild";

export const projectRoot = join(import.meta.dirname, "..");

export interface BundleOptions {
  /** The entry point, below the project's root. */
  readonly entry: string;
  /** The folder the bundle is written to; made anew. */
  readonly outDir: string;
  /** The file `#connector` stands for. */
  readonly connectorFile?: string;
  /** Files to ship beside the bundle. */
  readonly also?: Readonly<Record<string, string>>;
}

export interface Bundle {
  readonly dir: string;
  readonly bytes: number;
  /** The files of the project that are in it, below the project's root. */
  readonly sources: readonly string[];
}

/** Some packages reach Node's own modules by `require`, which an ES module does not have. */
const requireBanner = `import{createRequire}from"node:module";const require=createRequire(import.meta.url);`;

/** Bundles one function: an ES module with everything in it, and only what it uses. Needs no network and no Docker. */
export function bundle({ entry, outDir, connectorFile, also = {} }: BundleOptions): Bundle {
  mkdirSync(outDir, { recursive: true });
  const outfile = join(outDir, "index.mjs");
  const build = (banner: string) =>
    buildSync({
      absWorkingDir: projectRoot,
      entryPoints: [entry],
      outfile,
      bundle: true,
      minify: true,
      format: "esm",
      platform: "node",
      target: "node24",
      mainFields: ["module", "main"],
      legalComments: "none",
      metafile: true,
      write: false,
      logLevel: "error",
      banner: { js: banner },
      alias: {
        "@aws-sdk/credential-provider-node": join(projectRoot, "functions/lambda-credentials.ts"),
        ...(connectorFile && { "#connector": connectorFile }),
      },
    });
  let built = build("");
  let [output] = built.outputFiles;
  if (output?.text.includes("Dynamic require of")) {
    built = build(requireBanner);
    [output] = built.outputFiles;
  }
  if (!output) throw new Error(`esbuild made nothing of ${entry}`);
  writeFileSync(outfile, output.contents);
  for (const [name, text] of Object.entries(also)) writeFileSync(join(outDir, name), text);
  const used = Object.values(built.metafile.outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([file, { bytesInOutput }]) => (bytesInOutput > 0 ? [file] : [])),
  );
  return {
    dir: outDir,
    bytes: output.contents.byteLength,
    sources: used
      .map((file) => relative(projectRoot, join(projectRoot, file)))
      .filter((file) => !file.includes("node_modules")),
  };
}
