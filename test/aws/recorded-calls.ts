import { type Connector, connectorId } from "../../bridge/model/connector.ts";
import { type Call, shortArn } from "../support/grants.ts";
import type { Recorded } from "./emulator/gateway.ts";
import type { Stage } from "./stage.ts";

/** File of the calls the suite recorded, for the offline check of the roles. Rewritten by `npm run test:aws -- --update`. */
export const recordedCallsFile = "recorded-calls.json";

/** A permission some function was seen to need. */
export interface NeededCall extends Call {
  /** Below the deployment's name; see `kindOf`. */
  readonly function: string;
}

/** The order of connectors by what their functions and queues are called: `PayrollConnector-v1`. */
export type Orders = Readonly<Record<string, "latest" | "strict">>;

/** Those of the bridge's own connectors, and more. */
export function ordersOf(connectors: readonly Connector[], more: Orders): Orders {
  const own = connectors.map((connector) => [connectorId(connector).replaceAll("@", "-"), connector.order]);
  return { ...Object.fromEntries(own), ...more };
}

/**
 * The calls every function was seen to need, once each, in terms that hold for any account and any connector: tables and
 * keys by the names the stacks give them in Parameter Store, connectors by their order.
 *
 * What one connector's functions need the others' need of their own: they are made by the same construct.
 */
export function neededCalls({ functions, gateway, parameters }: Stage, orders: Orders): NeededCall[] {
  const names = new Map(functions.map(({ accessKey, name }) => [accessKey, name.replace(/^hms-bridge-/, "")]));
  const lines = gateway.recorded.flatMap(({ accessKey, calls, notFound }: Recorded) => {
    const name = names.get(accessKey);
    if (!name) throw new Error("a call was signed with credentials of no function that was deployed");
    return calls.filter(isSeen).map(({ action, resource }) => {
      const told = withParameters(notFound ? resource.replace(/-\?{6}$/, "") : resource, parameters);
      const needed = { function: name, action, resource: shortArn(told) };
      return JSON.stringify(generalised(needed, orders));
    });
  });
  return [...new Set(lines)].sort().map((line) => JSON.parse(line) as NeededCall);
}

/** The operator decides which of a connector's secrets exist; the connector's declaration decides which it asks for. */
function isSeen({ resource }: Call): boolean {
  return !/:secret:hms-bridge\/[A-Z]/.test(resource);
}

/**
 * `arn:…:table/hms-bridge-state-Packets…` becomes `arn:…:table/<packets-table>`. A secret's parameter holds its ARN on
 * AWS; on the emulator its name.
 */
function withParameters(resource: string, parameters: Stage["parameters"]): string {
  for (const [name, value] of Object.entries(parameters)) {
    // A bus is called as the deployment is, or as whoever made it says.
    if (name === "bus" || !resource.includes(value)) continue;
    return resource.replace(value, `<${name}>`).replace(/^arn:.*:secret:(<.*>)-\?{6}$/, "$1");
  }
  return resource;
}

function generalised(needed: NeededCall, orders: Orders): NeededCall {
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

/** The calls of one function of one connector, or of a function of none, written out for the connectors there are. */
export function writtenOut(needed: readonly NeededCall[], orders: Orders): NeededCall[] {
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
