import { mkdirSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { build, type Plugin } from "esbuild";
import { declarationIn } from "../connectors/protocols/load-connectors.ts";

export const projectRoot = join(import.meta.dirname, "..");

export interface BundleOptions {
  /** Entry point, relative to the project's root. */
  readonly entry: string;
  /** Folder the bundle is written to. Created if missing. */
  readonly outDir: string;
  /** File that `#connector` resolves to. */
  readonly connectorFile?: string;
  /** Files to deploy beside the bundle, as content by name. */
  readonly also?: Readonly<Record<string, string>>;
}

export interface Bundle {
  readonly dir: string;
  readonly bytes: number;
  /** The project's own files in the bundle, relative to the project's root. */
  readonly sources: readonly string[];
  /** Bytes by package. The project itself is `.`. */
  readonly parts: ReadonlyMap<string, number>;
}

/** Defines globals that some packages use and ES modules lack: `require` for Node.js modules, and the file's path. */
const requireBanner = [
  `import{createRequire}from"node:module";`,
  `const require=createRequire(import.meta.url);`,
  `const __dirname=import.meta.dirname,__filename=import.meta.filename;`,
].join("");

/**
 * Replaces computed keys in the AWS SDK's operation schemas with literals: `{ [_h]: … }` becomes `{ "http": … }`.
 *
 * esbuild assumes that a computed key has side effects, so it would keep every schema, used or not: 57 KiB in S3's
 * client. If a later SDK writes the keys differently, nothing is replaced and the size limit in
 * test/infra/bundle.test.ts fails.
 */
const plainKeys: Plugin = {
  name: "plain-keys",
  setup({ onLoad }) {
    onLoad({ filter: /@aws-sdk\/client-[\w-]+\/dist-es\/schemas\/schemas_\d+\.js$/ }, async ({ path }) => {
      const text = await readFile(path, "utf8");
      const names = new Map(
        [...text.matchAll(/^const (\w+) = ("[^"\\]*");$/gm)].map(([, name, value]) => [name, value] as const),
      );
      const contents = text.replace(/\[(\w+)\]:/g, (key, name: string) =>
        names.has(name) ? `${names.get(name)}:` : key,
      );
      return { contents, loader: "js" };
    });
  },
};

/** Reduces a client's package.json to its version, the only field that the client reads, for its user agent. */
const versionOnly: Plugin = {
  name: "version-only",
  setup({ onLoad }) {
    onLoad({ filter: /@aws-sdk\/client-[\w-]+\/package\.json$/ }, async ({ path }) => {
      const { version } = JSON.parse(await readFile(path, "utf8")) as { version: string };
      return { contents: JSON.stringify({ version }), loader: "json" };
    });
  },
};

/** Compiles a YAML connector declaration to a module at build time, so the function does not have to parse YAML. */
const declared: Plugin = {
  name: "declared",
  setup({ onLoad }) {
    onLoad({ filter: /\.ya?ml$/ }, ({ path }) => {
      const declaration = JSON.stringify(declarationIn(path));
      const contents = `import { declaredConnector } from "./connectors/protocols/declarative/rest-connector.ts";
export const connector = declaredConnector(${declaration});`;
      return { contents, loader: "js", resolveDir: projectRoot };
    });
  },
};

/** Bundles one function into a single, tree-shaken ES module. Needs no network and no Docker. */
export async function bundle({ entry, outDir, connectorFile, also = {} }: BundleOptions): Promise<Bundle> {
  mkdirSync(outDir, { recursive: true });
  const outfile = join(outDir, "index.mjs");
  const buildWith = (banner: string) =>
    build({
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
      plugins: [plainKeys, versionOnly, declared],
      // Optional native modules of ssh2, which works without them.
      external: ["*.node", "cpu-features"],
      alias: {
        "@aws-sdk/credential-provider-node": join(projectRoot, "functions/bundle-stubs/lambda-credentials.ts"),
        "@smithy/core/event-streams": join(projectRoot, "functions/bundle-stubs/event-streams.ts"),
        ...(connectorFile && { "#connector": connectorFile }),
      },
    });
  let built = await buildWith("");
  let [output] = built.outputFiles;
  if (output?.text.includes("Dynamic require of")) {
    built = await buildWith(requireBanner);
    [output] = built.outputFiles;
  }
  if (!output) throw new Error(`esbuild produced no output for ${entry}`);
  writeFileSync(outfile, output.contents);
  for (const [name, text] of Object.entries(also)) writeFileSync(join(outDir, name), text);
  const used = Object.values(built.metafile.outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).map(([file, { bytesInOutput }]) => ({ file, bytes: bytesInOutput })),
  );
  const parts = new Map<string, number>();
  for (const { file, bytes } of used) parts.set(packageOf(file), (parts.get(packageOf(file)) ?? 0) + bytes);
  return {
    dir: outDir,
    bytes: output.contents.byteLength,
    sources: used
      .filter(({ file, bytes }) => bytes > 0 && packageOf(file) === ".")
      .map(({ file }) => relative(projectRoot, join(projectRoot, file))),
    parts,
  };
}

/** @returns `.` for a file of the project */
function packageOf(file: string): string {
  return /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? ".";
}
