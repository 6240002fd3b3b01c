import * as z from "zod";

/** What the operator's API hands a probe's function. The schedule hands it something else. */
export const probeRequest = { ask: "now" } as const;

const probeRequestSchema = z.object({ ask: z.literal(probeRequest.ask) });

export function isProbeRequest(event: unknown): boolean {
  return probeRequestSchema.safeParse(event).success;
}
