import { join } from "node:path";
import { type App, type Environment, PermissionsBoundary } from "aws-cdk-lib";
import { connectorId } from "../bridge/connector.ts";
import { catalogFile, catalogText } from "../platform/aws/shipped-catalog.ts";
import { bundle, projectRoot } from "./bundle.ts";
import { configFor, connectorFiles } from "./connectors.ts";
import type { LaneMade } from "./lane.ts";
import { MappingsStack } from "./mappings-stack.ts";
import { PathStack } from "./path-stack.ts";
import { readSettings } from "./settings.ts";
import { StateStack } from "./state-stack.ts";

export interface BridgeStacks {
  readonly state: StateStack;
  readonly path: PathStack;
  readonly mappings: MappingsStack;
}

/** Adds the bridge to a CDK app: what it keeps, the way of an event, and where its sheets are kept. */
export async function addBridge(app: App, env?: Environment): Promise<BridgeStacks> {
  const settings = readSettings((key) => app.node.tryGetContext(key));
  const files = await connectorFiles(join(projectRoot, "connectors"));
  const connectors = files.map(({ connector }) => connector);
  // Before anything is bundled: a fault in the settings is told at once.
  const configs = connectors.map((connector) => configFor(connector, settings));
  // The facts about connectors go with the code that was deployed with them; the sheets go their own way.
  const also = { [catalogFile]: catalogText(connectors) };
  const mapper = bundle({ entry: "functions/mapper.ts", outDir: bundleDir(app, "mapper"), also });
  const sheetCheck = bundle({ entry: "functions/sheet-check.ts", outDir: bundleDir(app, "sheet-check"), also });
  const ledger = bundle({ entry: "functions/ledger.ts", outDir: bundleDir(app, "ledger") });
  const lanes = files.map(
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
  const path = new PathStack(app, `${settings.name}-path`, { settings, mapper, ledger, lanes, ...inEnv });
  const mappings = new MappingsStack(app, `${settings.name}-mappings`, {
    settings,
    sheetCheck,
    connectors: connectors.map(connectorId),
    ...inEnv,
  });
  // Each reads at deployment what the one before has written to Parameter Store.
  path.addStackDependency(state);
  mappings.addStackDependency(path);
  return { state, path, mappings };
}

/** Where a function's bundle is written while the app is made. */
function bundleDir(app: App, name: string): string {
  return join(app.outdir, ".bundles", name);
}
