import { join } from "node:path";
import { type App, type Environment, PermissionsBoundary } from "aws-cdk-lib";
import { connectorId } from "../bridge/model/connector.ts";
import { listConnectorFiles } from "../connectors/protocols/load-connectors.ts";
import { catalogFile, catalogText } from "../platform/aws/deployed-catalog.ts";
import { type BundleOptions, bundle, projectRoot } from "./bundle.ts";
import { configFor, deployable } from "./connector-config.ts";
import type { LaneMade } from "./connector-lane.ts";
import { MappingsStack } from "./mappings-stack.ts";
import { PathStack } from "./path-stack.ts";
import { readSettings } from "./settings.ts";
import { StateStack } from "./state-stack.ts";

export interface BridgeStacks {
  readonly state: StateStack;
  readonly path: PathStack;
  readonly mappings: MappingsStack;
}

/**
 * Adds the bridge to a CDK app: what it keeps, the way of an event, and where its sheets are kept.
 *
 * @param makeBundle how a function's code is bundled; tests of the templates keep what they have bundled once
 */
export async function addBridge(app: App, env?: Environment, makeBundle = bundle): Promise<BridgeStacks> {
  const settings = readSettings((key) => app.node.tryGetContext(key));
  const files = deployable(await listConnectorFiles(join(projectRoot, "connectors")), settings);
  const connectors = files.map(({ connector }) => connector);
  // Before anything is bundled, so that an invalid setting is reported at once.
  const configs = connectors.map((connector) => configFor(connector, settings));
  // The facts about connectors go with the code that was deployed with them; the sheets go their own way.
  const also = { [catalogFile]: catalogText(connectors) };
  const bundled = (name: string, options: Omit<BundleOptions, "outDir">) =>
    makeBundle({ ...options, outDir: join(app.outdir, ".bundles", name) });
  const [mapper, sheetCheck, ops, inbound, ledger, ...lanes] = await Promise.all([
    bundled("mapper", { entry: "functions/mapper.ts", also }),
    bundled("sheet-check", { entry: "functions/sheet-check.ts", also }),
    bundled("ops", { entry: "functions/ops.ts", also }),
    bundled("inbound", { entry: "functions/inbound.ts", also }),
    bundled("ledger", { entry: "functions/ledger.ts" }),
    ...files.map(async ({ connector, file }, i): Promise<LaneMade> => {
      const name = connectorId(connector).replaceAll("@", "-");
      const made = await bundled(name, { entry: "functions/connector.ts", connectorFile: file });
      return { connector, file, config: configs[i], bundle: made };
    }),
  ]);

  const inEnv = {
    ...(env && { env }),
    ...(settings.permissionsBoundary && {
      permissionsBoundary: PermissionsBoundary.fromName(settings.permissionsBoundary),
    }),
  };
  const state = new StateStack(app, `${settings.name}-state`, { settings, ...inEnv });
  const path = new PathStack(app, `${settings.name}-path`, { settings, mapper, ops, inbound, ledger, lanes, ...inEnv });
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
