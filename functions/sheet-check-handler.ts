import * as z from "zod";
import type { Catalog } from "../bridge/model/connector.ts";
import { checkSet } from "../platform/aws/sheet-bundle.ts";

/** Faults told at once; AppConfig shows them in one line. */
const told = 10;

/** Source: AWS AppConfig User Guide, "Understanding validators". */
const validationSchema = z.object({ content: z.base64() });

/** A configuration in, nothing out where it may go into force. Thrown: why AppConfig must refuse it, with the remedy. */
export function sheetCheckHandler(catalog: Catalog): (event: unknown) => Promise<void> {
  return async (event) => {
    const parsed = validationSchema.safeParse(event);
    if (!parsed.success) throw new Error("not a configuration to check: its content is no base64");
    const text = Buffer.from(parsed.data.content, "base64").toString();
    const faults = await checkSet(text, catalog);
    if (faults.length === 0) return;
    const more = faults.length > told ? [`and ${faults.length - told} more`] : [];
    throw new SheetsRefusedError([...faults.slice(0, told), ...more].join("\n"));
  };
}

class SheetsRefusedError extends Error {
  override readonly name = "SheetsRefusedError";
}
