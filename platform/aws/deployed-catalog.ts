import * as z from "zod";
import { Catalog, type Connector } from "../../bridge/model/connector.ts";

/** File with the facts about the deployed connectors, next to the bundle of each function that packs or checks. */
export const catalogFile = "connectors.json";

/** Facts about a connector that packing needs. The connector's code is only in its own function. */
const factsSchema = z.strictObject({
  name: z.string(),
  version: z.string(),
  order: z.enum(["latest", "strict"]),
  lane: z.enum(["entity", "connector"]).exactOptional(),
  resource: z.string().exactOptional(),
  deletes: z.boolean().exactOptional(),
  idempotent: z.boolean(),
  rate: z.strictObject({ concurrency: z.number(), perSecond: z.number().exactOptional() }),
});

type ConnectorFacts = z.output<typeof factsSchema>;

/** The facts about a deployment's connectors as JSON text, deployed with its functions. */
export function catalogText(connectors: readonly Connector[]): string {
  return JSON.stringify(connectors.map(factsOf));
}

function factsOf({ name, version, order, lane, resource, deletes, idempotent, rate }: Connector): ConnectorFacts {
  const optional = { ...(lane && { lane }), ...(resource && { resource }), ...(deletes && { deletes }) };
  return { name, version, order, ...optional, idempotent, rate };
}

/**
 * Creates the catalog for functions that send nothing: its connectors can be packed for, but neither sent with nor
 * probed.
 *
 * @throws {Error} if the text is not from `catalogText`
 */
export function openCatalog(text: string): Catalog {
  return new Catalog(z.array(factsSchema).parse(JSON.parse(text)).map(connectorWithoutCode));
}

function connectorWithoutCode(facts: ConnectorFacts): Connector {
  const unavailable = (): never => {
    throw new Error(`${facts.name}@${facts.version} sends and probes in a function of its own`);
  };
  return { ...facts, config: z.unknown(), send: unavailable, probe: unavailable };
}
