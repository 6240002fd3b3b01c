import { loadDeployedCatalog } from "./load-catalog.ts";
import { sheetCheckHandler } from "./sheet-check-handler.ts";

let check: ReturnType<typeof sheetCheckHandler> | undefined;

/** Validates sheets. Invoked by AppConfig when new sheets are uploaded, and again before they are rolled out. */
export async function handler(event: unknown): Promise<void> {
  check ??= sheetCheckHandler(await loadDeployedCatalog());
  return check(event);
}
