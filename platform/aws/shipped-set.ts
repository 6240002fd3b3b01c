import * as z from "zod";
import { Catalog, type Connector } from "../../bridge/connector.ts";
import { compileSheet, type SheetDocument } from "../../bridge/sheet.ts";
import { type SheetSet, sheetSet } from "../../bridge/sheets.ts";
import type { Policy } from "../../bridge/vet.ts";

/** Where the shipped set stands, beside the mapper's bundle. */
export const shippedSetFile = "set.json";

/**
 * What the mapper is shipped with: the sheets, checked and with their examples passed, the policy, and of each
 * connector what packing for it takes. Its code stays in its own function.
 */
export interface ShippedSet {
  readonly connectors: readonly ConnectorFacts[];
  readonly sheets: readonly { readonly name: string; readonly document: SheetDocument }[];
  readonly policy: Policy;
}

export type ConnectorFacts = Pick<
  Connector,
  "name" | "version" | "order" | "lane" | "resource" | "deletes" | "idempotent" | "rate"
>;

export function factsOf({
  name,
  version,
  order,
  lane,
  resource,
  deletes,
  idempotent,
  rate,
}: Connector): ConnectorFacts {
  const optional = { ...(lane && { lane }), ...(resource && { resource }), ...(deletes && { deletes }) };
  return { name, version, order, ...optional, idempotent, rate };
}

/** @throws where the set is not one that this version of the bridge compiles */
export function openShippedSet(text: string): { readonly set: SheetSet; readonly catalog: Catalog } {
  const shipped = JSON.parse(text) as ShippedSet;
  const sheets = shipped.sheets.map(({ name, document }) => {
    const compiled = compileSheet(name, document);
    if (!compiled.ok) {
      throw new Error(`the shipped sheet ${name}: ${compiled.faults[0]?.message}; deploy the path stack again`);
    }
    return compiled.sheet;
  });
  return { set: sheetSet(sheets, shipped.policy), catalog: new Catalog(shipped.connectors.map(knownByFacts)) };
}

/** A connector as the mapper knows it: enough to pack for, and nothing to send with. */
function knownByFacts(facts: ConnectorFacts): Connector {
  const elsewhere = (): never => {
    throw new Error(`${facts.name}@${facts.version} sends and probes in a function of its own`);
  };
  return { ...facts, config: z.unknown(), send: elsewhere, probe: elsewhere };
}
