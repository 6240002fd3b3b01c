import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { App } from "aws-cdk-lib";
import { type Bundle, bundle } from "../../infra/bundle.ts";
import { addBridge, type BridgeStacks } from "../../infra/stacks.ts";
import { home } from "../support/home.ts";

export interface Resource {
  readonly Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: a template's properties are whatever CloudFormation takes
  readonly Properties: Record<string, any>;
  readonly DeletionPolicy?: string;
}

export interface Synthesized {
  readonly region: string;
  /** What checks on the templates have found, as JSON; empty where there are none. */
  readonly report: string;
  readonly texts: readonly string[];
  /** How many resources each stack has, nested ones for themselves. */
  readonly stackSizes: readonly number[];
  /** Every resource of every stack, by its template and logical id. */
  readonly resources: ReadonlyMap<string, Resource>;
  of(type: string): Resource[];
  /** What the roles may do: CDK moves what is too long for a role's own policy into managed ones. */
  grants(): Statement[];
}

export const account = "123456789012";

/** One of each partition. */
export const regions = ["us-east-1", "us-gov-west-1"] as const;

const context = (JSON.parse(readFileSync("cdk.json", "utf8")) as { context: Record<string, unknown> }).context;

const bundles = new Map<string, Promise<Bundle>>();
const bundlesFolder = home();
process.once("exit", () => bundlesFolder[Symbol.dispose]());

/** The app as it is deployed. Its code is the same whatever its settings say, and bundled once. */
export function addBridgeTo(app: App, region: string): Promise<BridgeStacks> {
  return addBridge(app, { account, region }, ({ outDir: _, ...options }) => {
    const key = JSON.stringify(options);
    const made = bundles.get(key) ?? bundle({ ...options, outDir: join(bundlesFolder.path, String(bundles.size)) });
    bundles.set(key, made);
    return made;
  });
}

const known = new Map<string, Promise<Synthesized>>();

/** The templates for a region, made once. */
export function templatesFor(region: string): Promise<Synthesized> {
  let made = known.get(region);
  if (!made) {
    made = synthesize(region);
    known.set(region, made);
  }
  return made;
}

/** Synthesizes the app as `cdk.json` has it, for one region. */
export async function synthesize(region: string, more: Record<string, unknown> = {}): Promise<Synthesized> {
  return synthesized(region, more, async (app) => {
    await addBridgeTo(app, region);
  });
}

/** Synthesizes what `add` puts into an app. */
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

/** As JSON, to look for a word anywhere in it. */
export const text = (value: unknown): string => JSON.stringify(value ?? null);
