import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { App } from "aws-cdk-lib";
import { type Bundle, bundle } from "../../infra/bundle.ts";
import { addBridge, type BridgeStacks } from "../../infra/stacks.ts";
import { home } from "../support/home.ts";

export interface Resource {
  readonly Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: properties differ by resource type
  readonly Properties: Record<string, any>;
  readonly DeletionPolicy?: string;
}

export interface Synthesized {
  readonly region: string;
  /** Report of the checks on the templates as JSON. Empty if no checks ran. */
  readonly report: string;
  readonly texts: readonly string[];
  /** Number of resources in each stack. Nested stacks count separately. */
  readonly stackSizes: readonly number[];
  /** All resources of all stacks, by template and logical id. */
  readonly resources: ReadonlyMap<string, Resource>;
  of(type: string): Resource[];
  /** Returns the statements of all role policies. CDK moves those that exceed an inline policy's size to managed ones. */
  grants(): Statement[];
}

export const account = "123456789012";

/** One region of each partition. */
export const regions = ["us-east-1", "us-gov-west-1"] as const;

const context = (JSON.parse(readFileSync("cdk.json", "utf8")) as { context: Record<string, unknown> }).context;

const bundles = new Map<string, Promise<Bundle>>();
const bundlesFolder = home();
process.once("exit", () => bundlesFolder[Symbol.dispose]());

/** Adds the bridge to an app as for a deployment. The bundles do not depend on settings, so they are built once. */
export function addBridgeTo(app: App, region: string): Promise<BridgeStacks> {
  return addBridge(app, { account, region }, ({ outDir: _, ...options }) => {
    const key = JSON.stringify(options);
    const cached = bundles.get(key) ?? bundle({ ...options, outDir: join(bundlesFolder.path, String(bundles.size)) });
    bundles.set(key, cached);
    return cached;
  });
}

const synthesizedRegions = new Map<string, Promise<Synthesized>>();

/** Returns the templates for a region, synthesized once. */
export function templatesFor(region: string): Promise<Synthesized> {
  let templates = synthesizedRegions.get(region);
  if (!templates) {
    templates = synthesize(region);
    synthesizedRegions.set(region, templates);
  }
  return templates;
}

/** Synthesizes the app with the context of `cdk.json`, extended by `more`, for a region. */
export async function synthesize(region: string, more: Record<string, unknown> = {}): Promise<Synthesized> {
  return synthesized(region, more, async (app) => {
    await addBridgeTo(app, region);
  });
}

/** Synthesizes an app filled by `add`. */
export async function synthesized(
  region: string,
  more: Record<string, unknown>,
  add: (app: App) => void | Promise<void>,
): Promise<Synthesized> {
  using folder = home();
  const outdir = folder.path;
  const app = new App({ outdir, context: { ...context, ...more } });
  await add(app);
  app.synth();
  const filesLike = (end: string) =>
    readdirSync(outdir)
      .filter((name) => name.endsWith(end))
      .map((name) => readFileSync(join(outdir, name), "utf8"));
  const texts = filesLike(".template.json");
  const stacks = texts.map((text) => JSON.parse(text) as { Resources: Record<string, Resource> });
  const resources = new Map(
    stacks.flatMap(({ Resources }, i) =>
      Object.entries(Resources).map(([id, resource]): [string, Resource] => [`${i}/${id}`, resource]),
    ),
  );
  const of = (type: string) => [...resources.values()].filter((resource) => resource.Type === type);
  return {
    region,
    report: filesLike("validation-report.json").join(""),
    texts,
    stackSizes: stacks.map(({ Resources }) => Object.keys(Resources).length),
    resources,
    of,
    grants: () => [...of("AWS::IAM::Policy"), ...of("AWS::IAM::ManagedPolicy")].flatMap(statementsOf),
  };
}

export interface Statement {
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: unknown;
  readonly Principal?: unknown;
  readonly Condition?: Record<string, Record<string, unknown>>;
}

export const statementsOf = (resource: Resource): Statement[] => resource.Properties.PolicyDocument.Statement;

/** Returns a value as JSON, for searching it as text. */
export const text = (value: unknown): string => JSON.stringify(value ?? null);
