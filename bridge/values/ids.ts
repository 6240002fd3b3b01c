import { createHmac, hash, type KeyObject } from "node:crypto";

const alphabet = "abcdefghijklmnopqrstuvwxyz234567";

/** Encodes bytes as lower-case base32 without padding. Source: RFC 4648. */
function base32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let buffer = 0;
  for (const byte of bytes) {
    buffer = (buffer << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += alphabet[(buffer >> bits) & 31];
    }
    buffer &= (1 << bits) - 1;
  }
  return bits > 0 ? text + alphabet[(buffer << (5 - bits)) & 31] : text;
}

/** Joins parts, each prefixed with its length, so that different lists of parts yield different texts. */
function preimage(parts: readonly string[]): string {
  return parts.map((part) => `${part.length}:${part}`).join("");
}

/** Derives an id from its parts: 16 base32 characters (80 bits) of SHA-256. Equal parts always yield the same id. */
export function shortId(...parts: string[]): string {
  return base32(hash("sha256", preimage(parts), "buffer").subarray(0, 10));
}

/**
 * Hashes the parts with a key: 26 base32 characters (130 bits) of HMAC-SHA-256.
 *
 * Used for values that are compared but must not be recoverable by guessing, such as an employee number.
 */
export function keyedHash(key: KeyObject, ...parts: string[]): string {
  // 17 bytes give 27 characters, of which 26 are kept.
  return base32(createHmac("sha256", key).update(preimage(parts)).digest().subarray(0, 17)).slice(0, 26);
}
