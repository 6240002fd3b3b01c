import { mkdirSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { build, type Plugin } from "esbuild";
import { declarationIn } from "../connectors/protocols/load-connectors.ts";

export const projectRoot = join(import.meta.dirname, "..");

export interface BundleOptions {
  /** The entry point, below the project's root. */
  readonly entry: string;
  /** Folder the bundle is written to. It is created again. */
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
  /** Bytes by package, `.` for the project itself. */
  readonly parts: ReadonlyMap<string, number>;
}

/** Some packages reach Node's own modules by `require`, or ask where they are: an ES module has neither. */
const requireBanner = [
  `import{createRequire}from"node:module";`,
  `const require=createRequire(import.meta.url);`,
  `const __dirname=import.meta.dirname,__filename=import.meta.filename;`,
].join("");

/**
 * Spells out the keys in the AWS SDK's descriptions of its calls: `{ [_h]: … }` becomes `{ "http": … }`.
 *
 * To esbuild a computed key could do anything, so it would keep every description, used or not: of S3's client 57 KiB.
 * If a later SDK writes them differently, nothing is replaced, and the limit in test/infra/bundle.test.ts fails.
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

/** Of a client's package.json, which says a lot, the client reads the version, to say it to AWS. */
const versionAlone: Plugin = {
  name: "version-alone",
  setup({ onLoad }) {
    onLoad({ filter: /@aws-sdk\/client-[\w-]+\/package\.json$/ }, async ({ path }) => {
      const { version } = JSON.parse(await readFile(path, "utf8")) as { version: string };
      return { contents: JSON.stringify({ version }), loader: "json" };
    });
  },
};

/** Makes of a file that declares a connector the module of that connector: its text is read now, and not by the function. */
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

/** Bundles one function: an ES module with everything in it, and only what it uses. Needs no network and no Docker. */
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
      plugins: [plainKeys, versionAlone, declared],
      // What ssh2 would be faster with: it asks for them, and does without.
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
  if (!output) throw new Error(`esbuild made nothing of ${entry}`);
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
