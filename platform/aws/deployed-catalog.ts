import * as z from "zod";
import { Catalog, type Connector } from "../../bridge/model/connector.ts";

/** Where the facts about the deployed connectors stand, beside the bundle of each function that packs or checks. */
export const catalogFile = "connectors.json";

/** What packing for a connector takes to know. Its code stays in its own function. */
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

/** What is shipped with a deployment, as text: of each of its connectors, the facts. */
export function catalogText(connectors: readonly Connector[]): string {
  return JSON.stringify(connectors.map(factsOf));
}

function factsOf({ name, version, order, lane, resource, deletes, idempotent, rate }: Connector): ConnectorFacts {
  const optional = { ...(lane && { lane }), ...(resource && { resource }), ...(deletes && { deletes }) };
  return { name, version, order, ...optional, idempotent, rate };
}

/** The connectors of a deployment, as those of its functions know them that send nothing. @throws where it is no such text */
export function openCatalog(text: string): Catalog {
  return new Catalog(z.array(factsSchema).parse(JSON.parse(text)).map(knownByFacts));
}

/** Enough to pack for, and nothing to send with. */
function knownByFacts(facts: ConnectorFacts): Connector {
  const elsewhere = (): never => {
    throw new Error(`${facts.name}@${facts.version} sends and probes in a function of its own`);
  };
  return { ...facts, config: z.unknown(), send: elsewhere, probe: elsewhere };
}
