import { createHmac } from "node:crypto";
import * as z from "zod";

/** Secret of a signed webhook: one key, or several during a key rotation. */
export const signingSecretSchema = z.strictObject({
  keys: z
    .array(z.string().regex(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/, "is not whsec_ and 24 to 64 bytes in base64"))
    .min(1),
});

/** The parts of a webhook message that its signature covers. */
export interface SignedMessage {
  readonly id: string;
  /** `webhook-timestamp`: whole seconds since the epoch. */
  readonly seconds: string;
  readonly body: string | Uint8Array;
}

/**
 * Signs a webhook message with HMAC-SHA-256.
 *
 * Source: Standard Webhooks 1.0, "Signature scheme", `v1`.
 *
 * @param key `whsec_` and the key in base64
 */
export function signatureOf(key: string, { id, seconds, body }: SignedMessage): Buffer {
  return createHmac("sha256", Buffer.from(key.slice("whsec_".length), "base64"))
    .update(`${id}.${seconds}.`)
    .update(body)
    .digest();
}

/** Builds the headers of a signed message, with one signature per key so that receivers can rotate keys. */
export function signedHeaders(keys: readonly string[], message: SignedMessage): Record<string, string> {
  return {
    "webhook-id": message.id,
    "webhook-timestamp": message.seconds,
    "webhook-signature": keys.map((key) => `v1,${signatureOf(key, message).toString("base64")}`).join(" "),
  };
}
