import * as z from "zod";

/** What the operator's API hands a probe's function. The schedule hands it something else. */
export const askNow = { ask: "now" } as const;

const askNowSchema = z.object({ ask: z.literal(askNow.ask) });

export function isAskedNow(event: unknown): boolean {
  return askNowSchema.safeParse(event).success;
}
