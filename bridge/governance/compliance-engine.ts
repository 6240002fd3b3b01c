import * as z from "zod";
import type { JsonObject } from "../values/json.ts";

/** Where a compliance engine is asked, and how patiently. */
export const complianceSettingsSchema = z.strictObject({
  /** Asked by POST. */
  url: z.url({ protocol: /^https?$/, error: "is not a URL such as https://esq.hms.gov/vet" }),
  /** For one answer, the token's look-up included. */
  timeoutMs: z.int().min(10).max(10_000).default(2_000),
  /** How long an answer counts for the very same request. 0: it is asked each time. */
  cacheMs: z.int().min(0).max(3_600_000).default(300_000),
});

export type ComplianceSettings = z.output<typeof complianceSettingsSchema>;

/** Under this name its token is kept with the connectors' secrets: `{"token": "…"}`. Absent: none is sent. */
export const complianceSecret = "governance";

/** What a compliance engine is asked: whether a packet may leave, as it would leave. */
export interface ComplianceRequest {
  readonly action: "external_sync";
  /** The connector's id: `WorkForceNow@v2`. */
  readonly target: string;
  readonly packet: { readonly entity: string; readonly fields: JsonObject };
}

/** It goes into the ledger, so it is a name and can be no value. */
const ruleId = z.string().regex(/^[A-Za-z](?:[\w.:/-]{0,62}[A-Za-z\d])?$/, "is not a rule's id such as esq-17");

/** Its answer. It can take away and never give: what the policy has masked or blocked stays so. */
export const rulingSchema = z.discriminatedUnion("action", [
  z.object({ action: z.literal("allow"), rule: ruleId.optional() }),
  z.object({ action: z.literal("mask"), rule: ruleId, fields: z.array(z.string().min(1).max(256)).min(1).max(1_000) }),
  z.object({
    action: z.literal("block"),
    rule: ruleId,
    /** If not said, the whole packet. */
    fields: z.array(z.string().min(1).max(256)).min(1).max(1_000).optional(),
  }),
]);

export type Ruling = z.output<typeof rulingSchema>;

/**
 * Governance could not be asked about something that is to leave. Nothing is wrong with it: it waits, and is asked about
 * again. The message names no value.
 */
export class ComplianceUnavailableError extends Error {
  override readonly name = "ComplianceUnavailableError";
}

/** The compliance engine outside. */
export interface CompliancePort {
  /** @throws {ComplianceUnavailableError} where no answer came that can be believed */
  ask(request: ComplianceRequest): Promise<Ruling>;
}
