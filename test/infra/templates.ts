import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App } from "aws-cdk-lib";
import { addBridge } from "../../infra/bridge.ts";

export interface Resource {
  readonly Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: a template's properties are whatever CloudFormation takes
  readonly Properties: Record<string, any>;
  readonly DeletionPolicy?: string;
}

export interface Synthesized {
  readonly region: string;
  readonly texts: readonly string[];
  /** Every resource of every stack, by its template and logical id. */
  readonly resources: ReadonlyMap<string, Resource>;
  of(type: string): Resource[];
}

const context = (JSON.parse(readFileSync("cdk.json", "utf8")) as { context: Record<string, unknown> }).context;

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
  const outdir = mkdtempSync(join(tmpdir(), "bridge-synth-"));
  const app = new App({ outdir, context: { ...context, ...more } });
  await addBridge(app, { account: "123456789012", region });
  app.synth();
  const texts = readdirSync(outdir)
    .filter((name) => name.endsWith(".template.json"))
    .map((name) => readFileSync(join(outdir, name), "utf8"));
  const resources = new Map(
    texts.flatMap((text, i) =>
      Object.entries((JSON.parse(text) as { Resources: Record<string, Resource> }).Resources).map(
        ([id, resource]): [string, Resource] => [`${i}/${id}`, resource],
      ),
    ),
  );
  return {
    region,
    texts,
    resources,
    of: (type) => [...resources.values()].filter((resource) => resource.Type === type),
  };
}
