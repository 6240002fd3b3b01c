const blank = /^\p{White_Space}$/u;

/**
 * Returns the canonical form of a record's key: NFC, without blanks (Unicode `White_Space`) at its ends. Keys with the
 * same canonical form name the same record. Case, inner blanks and leading zeros are significant.
 *
 * Ids, lanes, shadows and comparisons use this form. The target receives the key as it was given.
 */
export function recordKey(given: string): string {
  const key = given.normalize("NFC");
  let start = 0;
  let end = key.length;
  // Every blank is one UTF-16 unit. A regular expression anchored at the end takes quadratic time for inner blanks.
  while (start < end && blank.test(key.charAt(start))) start++;
  while (end > start && blank.test(key.charAt(end - 1))) end--;
  return start === 0 && end === key.length ? key : key.slice(start, end);
}
