/** Names an error for the log, with its `code` if it has one. The message is left out because it could hold a value. */
export function errorName(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  return "code" in error && typeof error.code === "string" ? `${error.name} ${error.code}` : error.name;
}

/** One log line about one attempt. It holds names and numbers only, no field values. */
export type LogLine = Readonly<Record<string, string | number | boolean | undefined>> & { readonly step: string };
