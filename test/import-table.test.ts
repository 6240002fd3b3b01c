import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..");

/** What a folder's files may import: folders of the house, and packages. A package ends its own line of thought. */
interface Rule {
  readonly files: string;
  readonly except?: RegExp;
  readonly house: readonly RegExp[];
  readonly packages: readonly RegExp[];
}

const anyPackage = [/./];

/** Libraries that only compute. */
const pure = [/^node:crypto$/, /^canonicalize$/, /^jsonata$/, /^libphonenumber-js\/min$/, /^re2js$/, /^yaml$/, /^zod$/];

const table: Readonly<Record<string, Rule>> = {
  bridge: { files: "bridge/**/*.ts", house: [/^bridge\//], packages: pure },
  connectors: { files: "connectors/*.{ts,js}", house: [/^bridge\//, /^connectors\/protocols\//], packages: anyPackage },
  "connectors/protocols": {
    files: "connectors/protocols/**/*.ts",
    house: [/^bridge\//, /^connectors\/protocols\//],
    packages: anyPackage,
  },
  platform: { files: "platform/**/*.ts", house: [/^bridge\//, /^platform\//], packages: anyPackage },
  ops: { files: "ops/**/*.ts", house: [/^bridge\//, /^ops\//], packages: anyPackage },
  functions: {
    files: "functions/**/*.ts",
    house: [/^bridge\//, /^functions\//, /^ops\//, /^platform\/(?:aws\/|compliance\.ts$)/, /^connectors\/protocols\//],
    packages: anyPackage,
  },
  infra: {
    files: "infra/**/*.ts",
    house: [
      /^bridge\//,
      /^connectors\//,
      /^functions\//,
      /^infra\//,
      /^platform\/aws\/(names|shipped-catalog|shipped-set|shipping-places)\.ts$/,
      /^platform\/local\/sheets-folder\.ts$/,
    ],
    packages: anyPackage,
  },
  "cli and library": {
    files: "{cli,library}/**/*.ts",
    house: [/^bridge\//, /^cli\//, /^connectors\//, /^library\//, /^ops\//, /^platform\//, /^index\.ts$/],
    packages: anyPackage,
  },
  console: {
    files: "console/**/*.{ts,tsx}",
    house: [/^console\//],
    packages: [/^@?preact(\/|$)/, /^uplot(\/|$)/, /^console\/style\.css$/],
  },
  "index.ts": {
    files: "index.ts",
    house: [/^bridge\//, /^library\//, /^connectors\//, /^ops\//, /^platform\//],
    packages: [],
  },
};

describe("the house", () => {
  it.each(Object.keys(table))("%s imports only what the table allows", (name) => {
    const rule = table[name] as Rule;

    const strays = sources(rule.files).flatMap((file) =>
      importsOf(file)
        .filter((found) => !allowed(rule, file, found))
        .map((found) => `${file} imports ${found}`),
    );

    expect(strays).toEqual([]);
  });

  it("keeps its core from clock, chance, process and network: they come through the ports", () => {
    const forbidden = [
      /\bprocess\./,
      /\bDate\.now\(/,
      /\bnew Date\(\)/,
      /\bMath\.random\(/,
      /\bsetTimeout\(/,
      /\bsetInterval\(/,
      /\bperformance\.now\(/,
      /\bfetch\(/,
      /\bconsole\./,
      /\brandomUUID\b/,
      /\brandomBytes\b/,
      /\bimport\(/,
    ];

    const strays = sources("bridge/**/*.ts").flatMap((file) => {
      const code = withoutComments(readFileSync(join(root, file), "utf8"));
      return forbidden.filter((pattern) => pattern.test(code)).map((pattern) => `${file}: ${pattern.source}`);
    });

    expect(strays).toEqual([]);
  });

  it("is read at all by this test", () => {
    expect(sources("bridge/**/*.ts").length).toBeGreaterThan(20);
    const own = ["bridge/pii/detect.ts", "bridge/values/ids.ts", "bridge/values/json.ts"];
    expect(importsOf("bridge/model/event.ts")).toEqual(["node:crypto", "zod", ...own]);
  });
});

function sources(pattern: string): string[] {
  return globSync(pattern, { cwd: root, exclude: (name) => String(name).includes("node_modules") })
    .map(String)
    .sort();
}

/** What a file imports: paths from the house's root, or package names. */
function importsOf(file: string): string[] {
  const code = withoutComments(readFileSync(join(root, file), "utf8"));
  const pattern =
    /(?:^|\n)\s*(?:import|export)\s[^;]*?\bfrom\s*"([^"]+)"|(?:^|\n)\s*import\s*"([^"]+)"|\bimport\(\s*"([^"]+)"/g;
  return [...code.matchAll(pattern)].map(([, from, bare, dynamic]) => {
    const name = (from ?? bare ?? dynamic) as string;
    return name.startsWith(".") ? relative(root, join(root, dirname(file), name)) : name;
  });
}

function allowed(rule: Rule, file: string, found: string): boolean {
  // A function's own connector, put in by its bundle.
  if (found === "#connector") return file.startsWith("functions/");
  // A package's own file may end in .js too.
  const inHouse = /\.(tsx?|js)$/.test(found) && existsSync(join(root, found));
  return (inHouse ? rule.house : rule.packages).some((pattern) => pattern.test(found));
}

function withoutComments(code: string): string {
  return code.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/[^\n]*/g, "$1");
}
