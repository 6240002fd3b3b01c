import * as z from "zod";
import type { Catalog } from "../bridge/model/connector.ts";
import { BridgeError } from "../bridge/values/bridge-error.ts";
import { checkSet } from "../platform/aws/sheet-bundle.ts";

/** Maximum number of issues in one message. AppConfig shows the message on a single line. */
const maxShown = 10;

/** Source: AWS AppConfig User Guide, "Understanding validators". */
const validationSchema = z.object({ content: z.base64() });

/**
 * Creates the AppConfig validator, which returns normally if a sheet bundle may be deployed.
 *
 * @throws {SheetsRefusedError} if the bundle is invalid, with up to ten issues and their fixes, one per line
 */
export function sheetCheckHandler(catalog: Catalog): (event: unknown) => Promise<void> {
  return async (event) => {
    const parsed = validationSchema.safeParse(event);
    if (!parsed.success) throw new Error("not a configuration to check: its content is not base64");
    const text = Buffer.from(parsed.data.content, "base64").toString();
    const issues = await checkSet(text, catalog);
    if (issues.length === 0) return;
    const more = issues.length > maxShown ? [`and ${issues.length - maxShown} more`] : [];
    throw new SheetsRefusedError([...issues.slice(0, maxShown), ...more].join("\n"));
  };
}

class SheetsRefusedError extends BridgeError {
  override readonly name = "SheetsRefusedError";

  constructor(message: string) {
    super("sheets-refused", message);
  }
}
