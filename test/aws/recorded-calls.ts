import { type Connector, connectorId } from "../../bridge/model/connector.ts";
import { type Call, shortArn } from "../support/grants.ts";
import type { Recorded } from "./emulator/gateway.ts";
import type { Stage } from "./stage.ts";

/** File of the calls the suite recorded, for the offline check of the roles. Rewritten by `npm run test:aws -- --update`. */
export const recordedCallsFile = "recorded-calls.json";

/** A permission that a recorded call of a function needed. */
export interface NeededCall extends Call {
  /** Name of the function without the deployment's. */
  readonly function: string;
}

/** Order of connectors by the name of their functions and queues: `PayrollConnector-v1`. */
export type Orders = Readonly<Record<string, "latest" | "strict">>;

/** Returns the orders of `connectors` and `more`. */
export function ordersOf(connectors: readonly Connector[], more: Orders): Orders {
  const own = connectors.map((connector) => [connectorId(connector).replaceAll("@", "-"), connector.order]);
  return { ...Object.fromEntries(own), ...more };
}

/**
 * Returns the distinct calls of every function, independent of account and connectors: tables and keys are named by
 * their parameters in Parameter Store, connectors by their order.
 *
 * Connectors with the same order share their calls, because the same construct defines their functions.
 */
export function neededCalls({ functions, gateway, parameters }: Stage, orders: Orders): NeededCall[] {
  const names = new Map(functions.map(({ accessKey, name }) => [accessKey, name.replace(/^hms-bridge-/, "")]));
  const lines = gateway.recorded.flatMap(({ accessKey, calls, notFound }: Recorded) => {
    const name = names.get(accessKey);
    if (!name) throw new Error("a call was not signed with the credentials of a deployed function");
    return calls.filter(isRecorded).map(({ action, resource }) => {
      const general = withParameters(notFound ? resource.replace(/-\?{6}$/, "") : resource, parameters);
      const needed = { function: name, action, resource: shortArn(general) };
      return JSON.stringify(generalized(needed, orders));
    });
  });
  return [...new Set(lines)].sort().map((line) => JSON.parse(line) as NeededCall);
}

/** Returns false for reads of connector secrets, which depend on the secrets that exist and not only on the code. */
function isRecorded({ resource }: Call): boolean {
  return !/:secret:hms-bridge\/[A-Z]/.test(resource);
}

/**
 * Replaces values of parameters in an ARN: `arn:…:table/hms-bridge-state-Packets…` becomes
 * `arn:…:table/<packets-table>`. The parameter of a secret contains its ARN on AWS, but its name on the emulator.
 */
function withParameters(resource: string, parameters: Stage["parameters"]): string {
  for (const [name, value] of Object.entries(parameters)) {
    // Not the bus, because it may have the same name as the deployment.
    if (name === "bus" || !resource.includes(value)) continue;
    return resource.replace(value, `<${name}>`).replace(/^arn:.*:secret:(<.*>)-\?{6}$/, "$1");
  }
  return resource;
}

function generalized(needed: NeededCall, orders: Orders): NeededCall {
  const general = { ...needed };
  for (const [connector, order] of Object.entries(orders)) {
    const [name, version] = connector.split("-") as [string, string];
    general.function = general.function.replace(connector, `{${order}}`);
    general.resource = general.resource
      .replace(connector, `{${order}}`)
      .replace(`${name}@${version}`, `{${order}@}`)
      .replace(new RegExp(`/${name}(?=$|-\\?)`), `/{${order} name}`);
  }
  return general;
}

/** Expands generalized calls to the given connectors. */
export function expandCalls(needed: readonly NeededCall[], orders: Orders): NeededCall[] {
  return needed.flatMap((call) => {
    const own = Object.keys(orders).filter((connector) => call.function.includes(`{${orders[connector]}}`));
    if (own.length > 0) {
      return own.map((connector) => ({
        function: call.function.replace(/\{\w+\}/, connector),
        action: call.action,
        resource: named(call.resource, connector),
      }));
    }
    const [, order] = /\{(\w+)/.exec(call.resource) ?? [];
    if (!order) return [call];
    return Object.keys(orders)
      .filter((connector) => orders[connector] === order)
      .map((connector) => ({ ...call, resource: named(call.resource, connector) }));
  });
}

function named(resource: string, connector: string): string {
  const [name, version] = connector.split("-") as [string, string];
  return resource
    .replace(/\{\w+\}/, connector)
    .replace(/\{\w+@\}/, `${name}@${version}`)
    .replace(/\{\w+ name\}/, name);
}
