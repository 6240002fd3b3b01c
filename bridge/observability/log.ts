import type { Engine } from "../engine.ts";

/** An error's kind, for a log: its message could hold a value. */
export function errorName(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  return "code" in error && typeof error.code === "string" ? `${error.name} ${error.code}` : error.name;
}

/** Waits for rounds that know nothing of each other: what fails in one is told, and keeps no other from going on. */
export async function eachToItsEnd(engine: Pick<Engine, "log">, rounds: readonly Promise<void>[]): Promise<void> {
  for (const round of await Promise.allSettled(rounds)) {
    if (round.status === "rejected") engine.log({ step: "keep-failed", error: errorName(round.reason) });
  }
}

/** One line about one attempt: names and numbers only. */
export type LogLine = Readonly<Record<string, string | number | boolean | undefined>> & { readonly step: string };
