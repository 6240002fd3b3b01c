import { deployedCatalog } from "./load-catalog.ts";
import { sheetCheckHandler } from "./sheet-check-handler.ts";

let check: ReturnType<typeof sheetCheckHandler> | undefined;

/** Called by AppConfig before it takes new sheets, and again before it rolls them out. */
export async function handler(event: unknown): Promise<void> {
  check ??= sheetCheckHandler(await deployedCatalog());
  return check(event);
}
