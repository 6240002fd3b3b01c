import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type App, type Environment, PermissionsBoundary } from "aws-cdk-lib";
import { Catalog, connectorId } from "../bridge/connector.ts";
import { faultText } from "../bridge/sheet.ts";
import { readSheets } from "../bridge/sheets.ts";
import { readPolicy } from "../bridge/vet.ts";
import { factsOf, type ShippedSet, shippedSetFile } from "../platform/aws/shipped-set.ts";
import { bundle, projectRoot } from "./bundle.ts";
import { type ConnectorFile, configFor, connectorFiles } from "./connectors.ts";
import type { LaneMade } from "./lane.ts";
import { PathStack } from "./path-stack.ts";
import { readSettings } from "./settings.ts";
import { StateStack } from "./state-stack.ts";

/** Adds the bridge to a CDK app: what it keeps, and the way of an event. */
export async function addBridge(app: App, env?: Environment): Promise<{ state: StateStack; path: PathStack }> {
  const settings = readSettings(app.node);
  const connectors = await connectorFiles(join(projectRoot, "connectors"));
  // Before anything is bundled: a fault in the settings is told at once.
  const configs = connectors.map(({ connector }) => configFor(connector, settings));
  const mapper = bundle({
    entry: "functions/mapper.ts",
    outDir: bundleDir(app, "mapper"),
    also: { [shippedSetFile]: JSON.stringify(await shippedSet(connectors)) },
  });
  const lanes = connectors.map(
    ({ connector, file }, i): LaneMade => ({
      connector,
      file,
      config: configs[i],
      bundle: bundle({
        entry: "functions/connector.ts",
        outDir: bundleDir(app, connectorId(connector).replaceAll("@", "-")),
        connectorFile: file,
      }),
    }),
  );

  const inEnv = {
    ...(env && { env }),
    ...(settings.permissionsBoundary && {
      permissionsBoundary: PermissionsBoundary.fromName(settings.permissionsBoundary),
    }),
  };
  const state = new StateStack(app, `${settings.name}-state`, { settings, ...inEnv });
  const path = new PathStack(app, `${settings.name}-path`, { settings, mapper, lanes, ...inEnv });
  // It reads at deployment what the state stack has written to Parameter Store.
  path.addStackDependency(state);
  return { state, path };
}

/** Where a function's bundle is written while the app is made. */
function bundleDir(app: App, name: string): string {
  return join(app.outdir, ".bundles", name);
}

/** @throws with every fault of the sheets and the policy: nothing faulty is shipped */
async function shippedSet(connectors: readonly ConnectorFile[]): Promise<ShippedSet> {
  const read = (file: string) => ({ file, text: readFileSync(join(projectRoot, file), "utf8") });
  const governance = read("governance.yaml");
  const policy = readPolicy(governance.file, governance.text);
  if (!policy.ok) throw new Error(policy.message);
  const files = readdirSync(join(projectRoot, "mappings"))
    .filter((name) => /\.ya?ml$/.test(name))
    .sort()
    .map((name) => read(`mappings/${name}`));
  const catalog = new Catalog(connectors.map(({ connector }) => connector));
  const { sheets, faults } = await readSheets(files, catalog, policy.policy);
  if (faults.length > 0) throw new Error(faults.map(faultText).join("\n"));
  return {
    connectors: connectors.map(({ connector }) => factsOf(connector)),
    sheets: sheets.map(({ name, document }) => ({ name, document })),
    policy: policy.policy,
  };
}
