/** A text in plain characters, with a map from its indexes back to the original text. */
export interface NormalizedText {
  readonly text: string;
  /** Returns the original index of a UTF-16 unit; for the index after the last unit, the length of the original. */
  at(index: number): number;
}

/** Wraps a text that needs no decoding. */
export function fromPlainText(text: string): NormalizedText {
  return { text, at: (index) => index };
}

/** Escapes of HTML, URLs and JSON, single or double. One capture group per form, each of bounded length. */
const escaped =
  /&(?:amp;){0,2}(?:#(\d{1,7});|#x([0-9a-f]{1,6});|([a-z]{2,8});)|((?:%(?:25)?[0-9a-f]{2}){1,4})|\\(?:u([0-9a-f]{4})|x([0-9a-f]{2}))/iy;

/** Named HTML character references that can occur inside personal data. Source: HTML Living Standard, 13.5. */
const named: Readonly<Record<string, string>> = {
  amp: "&",
  apos: "'",
  colon: ":",
  commat: "@",
  dash: "-",
  emsp: " ",
  ensp: " ",
  gt: ">",
  hyphen: "-",
  lowbar: "_",
  lpar: "(",
  lt: "<",
  mdash: "-",
  nbsp: " ",
  ndash: "-",
  num: "#",
  period: ".",
  plus: "+",
  quot: '"',
  rpar: ")",
  shy: "",
  sol: "/",
  thinsp: " ",
  zwj: "",
  zwnj: "",
};

/**
 * Decodes escapes of HTML, URLs and JSON, and replaces look-alike characters with plain ones.
 *
 * Full-width and mathematical characters become ASCII, as do digits of other scripts and unusual hyphens, spaces and
 * dots. Zero-width characters are removed.
 */
export function decodeObfuscation(given: string): NormalizedText {
  const places: number[] = [];
  let text = "";
  const append = (units: string, at: number) => {
    for (let i = 0; i < units.length; i++) places.push(at);
    text += units;
  };
  for (let i = 0; i < given.length; ) {
    const code = given.charCodeAt(i);
    if (code === 0x26 || code === 0x25 || code === 0x5c) {
      escaped.lastIndex = i;
      const found = escaped.exec(given);
      const decoded = found ? unescaped(found) : undefined;
      if (found && decoded !== undefined) {
        for (const char of decoded) append(folded(char), i);
        i += found[0].length;
        continue;
      }
    }
    if (code < 0x80) {
      append(given[i] as string, i);
      i++;
    } else {
      const char = String.fromCodePoint(given.codePointAt(i) as number);
      append(folded(char), i);
      i += char.length;
    }
  }
  places.push(given.length);
  return { text, at: (index) => places[index] as number };
}

function unescaped([, decimal, hex, name, url, json, byte]: RegExpExecArray): string | undefined {
  if (name !== undefined) return named[name.toLowerCase()];
  if (url !== undefined) return fromUrl(url.replace(/%25/g, "%"));
  const code = decimal === undefined ? Number.parseInt(hex ?? json ?? byte ?? "", 16) : Number(decimal);
  return code <= 0x10ffff ? String.fromCodePoint(code) : undefined;
}

function fromUrl(url: string): string | undefined {
  try {
    return decodeURIComponent(url);
  } catch {
    return undefined;
  }
}

/** Maximum number of cached characters. */
const maxCachedForms = 5_000;
const cachedForms = new Map<string, string>();

function folded(char: string): string {
  if (char < "\x80") return char;
  const known = cachedForms.get(char);
  if (known !== undefined) return known;
  const plain = plainForm(char);
  if (cachedForms.size >= maxCachedForms) cachedForms.clear();
  cachedForms.set(char, plain);
  return plain;
}

/** Returns a character's ASCII form if it has one, "" if it has no width, and otherwise the character itself. */
function plainForm(char: string): string {
  if (char === "\u034f" || /^[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]$/.test(char)) return "";
  if (/^[\u058a\u2010-\u2015\u2043\u2212\u2e3a\u2e3b\u30fc\ufe58\ufe63\uff0d]$/.test(char)) return "-";
  if (/^[\u00b7\u2022\u2024\u2027\u3002\u30fb\uff61]$/.test(char)) return ".";
  if (/^[\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]$/.test(char)) return " ";
  if (/^[\u2018\u2019\u02bc]$/.test(char)) return "'";
  const plain = char.normalize("NFKC");
  if (/^[\x20-\x7e]$/.test(plain)) return plain;
  return /^\p{Nd}$/u.test(char) ? String(digitValue(char)) : char;
}

/** Returns the value of any decimal digit. Unicode has them in runs of ten, each beginning at its zero. */
function digitValue(char: string): number {
  let value = 0;
  for (let code = (char.codePointAt(0) as number) - 1; value < 9; code--, value++) {
    if (!/\p{Nd}/u.test(String.fromCodePoint(code))) break;
  }
  return value;
}

/** Replaces each match of a pattern. All characters of a replacement map to the start of the match. */
export function rewritten(
  normalized: NormalizedText,
  pattern: RegExp,
  rewrite: (...found: string[]) => string,
): NormalizedText {
  let text = "";
  const places: number[] = [];
  let done = 0;
  const keep = (to: number) => {
    for (let i = done; i < to; i++) places.push(normalized.at(i));
    text += normalized.text.slice(done, to);
  };
  for (const found of normalized.text.matchAll(pattern)) {
    keep(found.index);
    const replacement = rewrite(...found);
    for (let i = 0; i < replacement.length; i++) places.push(normalized.at(found.index));
    text += replacement;
    done = found.index + found[0].length;
  }
  if (done === 0) return normalized;
  keep(normalized.text.length);
  places.push(normalized.at(normalized.text.length));
  return { text, at: (index) => places[index] as number };
}

const bracketed = (words: string) => new RegExp(` ?[[({<_] ?(?:${words}) ?[\\])}>_] ?`, "gi");
const bracketedAt = bracketed("at|ät|arroba|chez|@");
const bracketedDot = bracketed("dot|punkt|point|punto|ponto|\\.");
const spacedAt = /(?<=[\p{L}\p{N}_]) {1,2}@ {1,2}(?=[\p{L}\p{N}-]{1,63}\.\p{L}{2})/gu;

const spokenHost = /@[\p{L}\p{N}-]{1,63}(?:(?: dot |\.)[\p{L}\p{N}-]{1,63}){1,4}/giu;

/** An address in words: `jane at example dot com`. */
const spokenAddress =
  /(?<![\p{L}\p{N}])((?:[\p{L}\p{N}_-]{1,30} dot ){0,3}[\p{L}\p{N}._+-]{1,64}) at ((?:[\p{L}\p{N}-]{1,63}(?: dot |\.)){1,4}\p{L}{2,12})(?!\p{L})/giu;
/** Words before `at` that are not a mailbox name: `look at example dot com`. */
const notMailboxName =
  /^(?:look(?:ed|ing)?|shop|visit|meet|available|found|located|hosted|check|up|online|is|are|was|be|go|live|log|register|apply|and|or|the|us|see|look|buy|sold|work(?:s|ed|ing)?|arrive[ds]?|stay(?:ed|ing)?)$/i;

const digitWords = "zero one two three four five six seven eight nine".split(" ");
const digitWord = "(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)";
const spokenNumber = new RegExp(`(?<![a-z])${digitWord}(?:[ ,-]{1,3}${digitWord}){6,18}(?![a-z])`, "gi");

/** Digits written one by one: `1 2 3 - 4 5 - 6 7 8 9`. */
const spacedDigits = /(?<![\p{L}\p{N}.,-])\d(?: \d| ?[-.()/] ?\d){6,30}(?![\p{L}\p{N}])/gu;

/** Joins spelled-out data: addresses with `at` and `dot`, digits as words, and digits written one by one. */
export function joinSpelledOut(normalized: NormalizedText): NormalizedText {
  let read = rewritten(normalized, bracketedAt, () => "@");
  read = rewritten(read, bracketedDot, () => ".");
  read = rewritten(read, spacedAt, () => "@");
  read = rewritten(read, spokenHost, (all) => all.replace(/ dot /gi, "."));
  read = rewritten(read, spokenAddress, (all, local = "", host = "") =>
    / dot /i.test(host) && !notMailboxName.test(local) ? `${local}@${host}`.replace(/ dot /gi, ".") : all,
  );
  read = rewritten(read, spokenNumber, (all) =>
    all.replace(/[a-z]+|[ ,-]+/gi, (word) => {
      const value = digitWords.indexOf(word.toLowerCase());
      return value >= 0 ? String(value) : word.toLowerCase() === "oh" ? "0" : "";
    }),
  );
  return rewritten(read, spacedDigits, (all) => (/\d\d/.test(all) ? all : all.replaceAll(" ", "")));
}

/** Returns false if a text certainly contains nothing spelled out. Most texts then need no `joinSpelledOut`. */
export function maySpell(text: string): boolean {
  return hints.test(text);
}

const hints = new RegExp(
  [
    "[ [({<_](?:at|ät|arroba|chez|@)[ \\])}>_]",
    "[[({<_] ?(?:dot|punkt|point|punto|ponto|\\.) ?[\\])}>_]",
    "(?<!\\d)\\d \\d(?!\\d)",
    `${digitWord}[ ,-]{1,3}${digitWord}[ ,-]`,
  ].join("|"),
  "i",
);
