import { join } from "node:path";
import { type App, type Environment, PermissionsBoundary } from "aws-cdk-lib";
import { connectorId } from "../bridge/model/connector.ts";
import { listConnectorFiles } from "../connectors/protocols/load-connectors.ts";
import { catalogFile, catalogText } from "../platform/aws/deployed-catalog.ts";
import { type BundleOptions, bundle, projectRoot } from "./bundle.ts";
import { configFor, deployable } from "./connector-config.ts";
import type { LaneDefinition } from "./connector-lane.ts";
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
 * Adds the bridge to a CDK app as three stacks: state, path and mappings.
 *
 * @param makeBundle bundles a function's code; tests of the templates pass one that caches its bundles
 */
export async function addBridge(app: App, env?: Environment, makeBundle = bundle): Promise<BridgeStacks> {
  const settings = readSettings((key) => app.node.tryGetContext(key));
  const files = deployable(await listConnectorFiles(join(projectRoot, "connectors")), settings);
  const connectors = files.map(({ connector }) => connector);
  // Checks the settings before bundling, so that an invalid one is reported at once.
  const configs = connectors.map((connector) => configFor(connector, settings));
  // The connector catalog is deployed with the code it describes. Sheets are deployed separately.
  const also = { [catalogFile]: catalogText(connectors) };
  const bundled = (name: string, options: Omit<BundleOptions, "outDir">) =>
    makeBundle({ ...options, outDir: join(app.outdir, ".bundles", name) });
  const [mapper, sheetCheck, ops, inbound, ledger, ...lanes] = await Promise.all([
    bundled("mapper", { entry: "functions/mapper.ts", also }),
    bundled("sheet-check", { entry: "functions/sheet-check.ts", also }),
    bundled("ops", { entry: "functions/ops.ts", also }),
    bundled("inbound", { entry: "functions/inbound.ts", also }),
    bundled("ledger", { entry: "functions/ledger.ts" }),
    ...files.map(async ({ connector, file }, i): Promise<LaneDefinition> => {
      const name = connectorId(connector).replaceAll("@", "-");
      const code = await bundled(name, { entry: "functions/connector.ts", connectorFile: file });
      return { connector, file, config: configs[i], bundle: code };
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
  // Each stack reads parameters that the previous one has written to Parameter Store.
  path.addStackDependency(state);
  mappings.addStackDependency(path);
  return { state, path, mappings };
}
