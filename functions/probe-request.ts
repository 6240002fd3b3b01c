import * as z from "zod";

/** Payload with which the operator API invokes a probe function. The schedule sends a different payload. */
export const probeRequest = { ask: "now" } as const;

const probeRequestSchema = z.object({ ask: z.literal(probeRequest.ask) });

export function isProbeRequest(event: unknown): boolean {
  return probeRequestSchema.safeParse(event).success;
}
