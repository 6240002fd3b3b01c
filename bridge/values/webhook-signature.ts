import { createHmac } from "node:crypto";
import * as z from "zod";

/** What messages are signed with: one key, or several while they are being changed. */
export const signingSecretSchema = z.strictObject({
  keys: z
    .array(z.string().regex(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/, "is not whsec_ and 24 to 64 bytes in base64"))
    .min(1),
});

export interface ToSign {
  readonly id: string;
  /** `webhook-timestamp`: whole seconds since the epoch. */
  readonly seconds: string;
  readonly body: string | Uint8Array;
}

/** Source: Standard Webhooks 1.0, "Signature scheme", `v1`. @param key `whsec_…` */
export function signatureOf(key: string, { id, seconds, body }: ToSign): Buffer {
  return createHmac("sha256", Buffer.from(key.slice("whsec_".length), "base64"))
    .update(`${id}.${seconds}.`)
    .update(body)
    .digest();
}

/** The headers of a signed message: a signature a key, so that either fits while keys are being changed. */
export function signedHeaders(keys: readonly string[], message: ToSign): Record<string, string> {
  return {
    "webhook-id": message.id,
    "webhook-timestamp": message.seconds,
    "webhook-signature": keys.map((key) => `v1,${signatureOf(key, message).toString("base64")}`).join(" "),
  };
}
