/** Names an error for the log, with its `code` if any. The message is omitted because it could contain a value. */
export function errorName(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  return "code" in error && typeof error.code === "string" ? `${error.name} ${error.code}` : error.name;
}

/** One log line. It contains only names and numbers, and no field values. */
export type LogLine = Readonly<Record<string, string | number | boolean | undefined>> & { readonly step: string };
