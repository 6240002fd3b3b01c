/**
 * Rule for the imports of one folder.
 *
 * A folder may import only folders with a lower order, and of those only the ones that its row lists.
 */
export interface ImportRow {
  /** `bridge/model`: a folder with its subfolders. `platform/*`: the files directly in a folder. `index.ts`: a file. */
  readonly folder: string;
  readonly order: number;
  /** Folders that the row may import besides itself, as patterns like `folder`. */
  readonly imports: readonly string[];
  /** Packages, and files that are not source code: `package.json`, a style sheet. */
  readonly packages: readonly RegExp[];
}

/** Libraries without side effects. */
const pure = [/^node:crypto$/, /^canonicalize$/, /^jsonata$/, /^libphonenumber-js\/min$/, /^re2js$/, /^yaml$/, /^zod$/];

/** Every package, but no alias from `imports` in package.json. */
const anyPackage = [/^[^#]/];

const bridge1to6 = [
  "bridge/values",
  "bridge/pii",
  "bridge/model",
  "bridge/observability",
  "bridge/ports",
  "bridge/ledger",
];
const bridge1to8 = [...bridge1to6, "bridge/governance", "bridge/mapping"];
const bridge1to10 = [...bridge1to8, "bridge/engine.ts", "bridge/recording"];
const bridge1to11 = [...bridge1to10, "bridge/intake", "bridge/delivery"];
const bridge1to13 = [...bridge1to11, "bridge/inbound", "bridge/operations"];

const bridgeRows: readonly ImportRow[] = [
  { folder: "bridge/values", order: 1, imports: [], packages: pure },
  { folder: "bridge/pii", order: 2, imports: [], packages: pure },
  { folder: "bridge/model", order: 3, imports: ["bridge/values"], packages: pure },
  { folder: "bridge/observability", order: 4, imports: ["bridge/values", "bridge/model"], packages: pure },
  { folder: "bridge/ports", order: 5, imports: ["bridge/values", "bridge/model"], packages: pure },
  { folder: "bridge/ledger", order: 6, imports: ["bridge/values", "bridge/model", "bridge/ports"], packages: pure },
  { folder: "bridge/governance", order: 7, imports: ["bridge/values", "bridge/pii"], packages: pure },
  {
    folder: "bridge/mapping",
    order: 8,
    imports: ["bridge/values", "bridge/model", "bridge/ports", "bridge/governance"],
    packages: pure,
  },
  { folder: "bridge/engine.ts", order: 9, imports: bridge1to8, packages: pure },
  { folder: "bridge/recording", order: 10, imports: [...bridge1to6, "bridge/engine.ts"], packages: pure },
  { folder: "bridge/intake", order: 11, imports: bridge1to10, packages: pure },
  {
    folder: "bridge/delivery",
    order: 11,
    imports: [...bridge1to6, "bridge/engine.ts", "bridge/recording"],
    packages: pure,
  },
  { folder: "bridge/inbound", order: 12, imports: bridge1to11, packages: pure },
  { folder: "bridge/operations", order: 13, imports: [...bridge1to11, "bridge/inbound"], packages: pure },
  { folder: "bridge/jobs", order: 14, imports: bridge1to13, packages: pure },
  { folder: "bridge/maintenance", order: 14, imports: bridge1to13, packages: pure },
];

const protocolImports = ["bridge", "connectors/protocols/http"];

const connectorRows: readonly ImportRow[] = [
  { folder: "connectors/protocols/http", order: 15, imports: ["bridge"], packages: anyPackage },
  { folder: "connectors/protocols/arcgis", order: 16, imports: protocolImports, packages: anyPackage },
  { folder: "connectors/protocols/declarative", order: 16, imports: protocolImports, packages: anyPackage },
  { folder: "connectors/protocols/files", order: 16, imports: protocolImports, packages: anyPackage },
  { folder: "connectors/protocols/soap", order: 16, imports: protocolImports, packages: anyPackage },
  { folder: "connectors/protocols/sql", order: 16, imports: protocolImports, packages: anyPackage },
  {
    folder: "connectors/protocols/*",
    order: 17,
    imports: ["bridge", "connectors/protocols/declarative"],
    // Loads the files of connectors/ by path.
    packages: [...anyPackage, /^#computed$/],
  },
  {
    folder: "connectors/*",
    order: 18,
    imports: ["bridge", "connectors/protocols"],
    packages: anyPackage,
  },
];

const applicationRows: readonly ImportRow[] = [
  { folder: "platform/*", order: 19, imports: ["bridge"], packages: anyPackage },
  { folder: "platform/local", order: 20, imports: ["bridge", "platform/*"], packages: anyPackage },
  { folder: "platform/aws", order: 20, imports: ["bridge", "platform/*"], packages: anyPackage },
  { folder: "ops", order: 21, imports: ["bridge"], packages: anyPackage },
  { folder: "functions/bundle-stubs", order: 22, imports: ["bridge"], packages: anyPackage },
  {
    folder: "functions/*",
    order: 23,
    imports: [
      "bridge",
      "connectors/protocols",
      "functions/bundle-stubs",
      "ops",
      "platform/aws",
      "platform/compliance-client.ts",
    ],
    // `#connector` is the function's own connector; the bundler resolves it.
    packages: [...anyPackage, /^#connector$/],
  },
  {
    folder: "infra",
    order: 24,
    imports: [
      "bridge",
      "connectors",
      "functions",
      "platform/aws/names.ts",
      "platform/aws/deployed-catalog.ts",
      "platform/aws/sheet-bundle.ts",
      "platform/aws/appconfig-targets.ts",
      "platform/local/sheet-watcher.ts",
    ],
    packages: anyPackage,
  },
  { folder: "library", order: 25, imports: ["bridge", "connectors", "ops", "platform"], packages: anyPackage },
  { folder: "index.ts", order: 26, imports: ["bridge", "connectors", "library", "ops", "platform"], packages: [] },
  {
    folder: "cli",
    order: 27,
    imports: ["bridge", "connectors", "index.ts", "library", "ops", "platform"],
    packages: anyPackage,
  },
  {
    folder: "console",
    order: 28,
    imports: [],
    packages: [/^@?preact(\/|$)/, /^uplot(\/|$)/, /^console\/style\.css$/],
  },
];

const product = [
  "bridge",
  "cli",
  "connectors",
  "console",
  "functions",
  "index.ts",
  "infra",
  "library",
  "ops",
  "platform",
];

const aroundRows: readonly ImportRow[] = [
  { folder: "examples", order: 29, imports: ["index.ts"], packages: anyPackage },
  { folder: "lint", order: 30, imports: [], packages: anyPackage },
  { folder: "test/support", order: 31, imports: product, packages: anyPackage },
  { folder: "test/corpus", order: 32, imports: [...product, "test/support"], packages: anyPackage },
  {
    folder: "bench",
    order: 33,
    imports: [...product, "test/support"],
    // Loads the files of another commit's tree by path.
    packages: [...anyPackage, /^#computed$/],
  },
  {
    folder: "test",
    order: 34,
    imports: [...product, "bench", "examples", "lint", "test/corpus", "test/support"],
    packages: anyPackage,
  },
  { folder: "demo", order: 35, imports: [...product, "test"], packages: anyPackage },
  { folder: "vitest*.config.ts", order: 36, imports: ["test"], packages: anyPackage },
];

export const importTable: readonly ImportRow[] = [...bridgeRows, ...connectorRows, ...applicationRows, ...aroundRows];
