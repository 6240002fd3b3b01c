import { createHmac, hash, type KeyObject } from "node:crypto";

const alphabet = "abcdefghijklmnopqrstuvwxyz234567";

/** RFC 4648 base32 in lower case, without padding. */
function base32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += alphabet[(held >> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return bits > 0 ? text + alphabet[(held << (5 - bits)) & 31] : text;
}

/** Joins parts so that no two lists of parts give the same text: lengths first. */
function preimage(parts: readonly string[]): string {
  return parts.map((part) => `${part.length}:${part}`).join("");
}

/** 16 base32 characters (80 bits) of SHA-256 over the parts: the same parts give the same id, everywhere and always. */
export function shortId(...parts: string[]): string {
  return base32(hash("sha256", preimage(parts), "buffer").subarray(0, 10));
}

/**
 * 26 base32 characters (130 bits) of HMAC-SHA-256 over the parts.
 *
 * For what must be compared but never guessed back, such as an employee number or a field's value.
 */
export function keyedHash(key: KeyObject, ...parts: string[]): string {
  // 17 bytes are the 27 characters of which 26 are kept.
  return base32(createHmac("sha256", key).update(preimage(parts)).digest().subarray(0, 17)).slice(0, 26);
}
