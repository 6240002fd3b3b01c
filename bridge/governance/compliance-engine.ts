import * as z from "zod";
import { BridgeError } from "../values/bridge-error.ts";
import type { JsonObject } from "../values/json.ts";

/** Settings of the external compliance engine. */
export const complianceSettingsSchema = z.strictObject({
  /** Endpoint that receives each request by POST. */
  url: z.url({ protocol: /^https?$/, error: "is not a URL such as https://esq.hms.gov/vet" }),
  /** Time limit of one request, including the lookup of the token. */
  timeoutMs: z.int().min(10).max(10_000).default(2_000),
  /** Time for which a ruling is cached for identical requests. 0 disables the cache. */
  cacheMs: z.int().min(0).max(3_600_000).default(300_000),
});

export type ComplianceSettings = z.output<typeof complianceSettingsSchema>;

/** Name of the engine's secret among the connectors' secrets: `{"token": "…"}`. If it is absent, no token is sent. */
export const complianceSecret = "governance";

/** Question to the compliance engine: may this packet, in the form the policy gave it, be sent to the target? */
export interface ComplianceRequest {
  readonly action: "external_sync";
  /** The connector's id: `WorkForceNow@v2`. */
  readonly target: string;
  readonly packet: { readonly entity: string; readonly fields: JsonObject };
}

/** Pattern of rule ids. The ledger records them, so it allows only names and no personal data. */
const ruleId = z.string().regex(/^[A-Za-z](?:[\w.:/-]{0,62}[A-Za-z\d])?$/, "is not a rule's id such as esq-17");

/** Answer of the compliance engine. It can only restrict further: fields masked or blocked by the policy stay so. */
export const rulingSchema = z.discriminatedUnion("action", [
  z.object({ action: z.literal("allow"), rule: ruleId.optional() }),
  z.object({ action: z.literal("mask"), rule: ruleId, fields: z.array(z.string().min(1).max(256)).min(1).max(1_000) }),
  z.object({
    action: z.literal("block"),
    rule: ruleId,
    /** The whole packet if absent. */
    fields: z.array(z.string().min(1).max(256)).min(1).max(1_000).optional(),
  }),
]);

export type Ruling = z.output<typeof rulingSchema>;

/**
 * Reports that the compliance engine gave no usable ruling. The packet is not at fault: it waits and is retried.
 *
 * The message contains no value.
 */
export class ComplianceUnavailableError extends BridgeError {
  override readonly name = "ComplianceUnavailableError";

  constructor(message: string, options?: ErrorOptions) {
    super("compliance-unavailable", message, options);
  }
}

/** The external compliance engine. */
export interface CompliancePort {
  /** @throws {ComplianceUnavailableError} if there is no answer, or an invalid one */
  ask(request: ComplianceRequest): Promise<Ruling>;
}
