/** An error's kind, for a log: its message could hold a value. */
export function errorName(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  return "code" in error && typeof error.code === "string" ? `${error.name} ${error.code}` : error.name;
}

/** One line about one attempt: names and numbers only. */
export type LogLine = Readonly<Record<string, string | number | boolean | undefined>> & { readonly step: string };
