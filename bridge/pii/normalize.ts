/** A text as a reader takes it, whatever it was disguised as. */
export interface NormalizedText {
  readonly text: string;
  /** Where a unit of the reading begins in the text as given; behind the last unit, that text's end. */
  at(index: number): number;
}

/** Reads a text of plain ASCII as it stands. */
export function plainly(text: string): NormalizedText {
  return { text, at: (index) => index };
}

/** Escapes of HTML, URLs and JSON, also where they were escaped twice. One alternative a group, all of bounded length. */
const escaped =
  /&(?:amp;){0,2}(?:#(\d{1,7});|#x([0-9a-f]{1,6});|([a-z]{2,8});)|((?:%(?:25)?[0-9a-f]{2}){1,4})|\\(?:u([0-9a-f]{4})|x([0-9a-f]{2}))/iy;

/** Named characters of HTML that stand inside such data. Source: HTML Living Standard, 13.5. */
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
 * Takes the disguise off a text: escapes of HTML, URLs and JSON; digits and letters of full width, of mathematics and of
 * other scripts; exotic hyphens, spaces and dots; what has no width. Each unit remembers its place.
 */
export function decodeObfuscation(given: string): NormalizedText {
  const places: number[] = [];
  let text = "";
  const take = (units: string, at: number) => {
    for (let i = 0; i < units.length; i++) places.push(at);
    text += units;
  };
  for (let i = 0; i < given.length; ) {
    const code = given.charCodeAt(i);
    if (code === 0x26 || code === 0x25 || code === 0x5c) {
      escaped.lastIndex = i;
      const found = escaped.exec(given);
      const meant = found ? unescaped(found) : undefined;
      if (found && meant !== undefined) {
        for (const sign of meant) take(folded(sign), i);
        i += found[0].length;
        continue;
      }
    }
    if (code < 0x80) {
      take(given[i] as string, i);
      i++;
    } else {
      const sign = String.fromCodePoint(given.codePointAt(i) as number);
      take(folded(sign), i);
      i += sign.length;
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

/** Signs of a text repeat: so many are kept. */
const signsKept = 5_000;
const plainForms = new Map<string, string>();

function folded(sign: string): string {
  if (sign < "\x80") return sign;
  const known = plainForms.get(sign);
  if (known !== undefined) return known;
  const plain = plainForm(sign);
  if (plainForms.size >= signsKept) plainForms.clear();
  plainForms.set(sign, plain);
  return plain;
}

/** A sign in its plain form: one ASCII sign where there is such a form, nothing where it has no width, else itself. */
function plainForm(sign: string): string {
  if (sign === "\u034f" || /^[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]$/.test(sign)) return "";
  if (/^[\u058a\u2010-\u2015\u2043\u2212\u2e3a\u2e3b\u30fc\ufe58\ufe63\uff0d]$/.test(sign)) return "-";
  if (/^[\u00b7\u2022\u2024\u2027\u3002\u30fb\uff61]$/.test(sign)) return ".";
  if (/^[\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]$/.test(sign)) return " ";
  if (/^[\u2018\u2019\u02bc]$/.test(sign)) return "'";
  const plain = sign.normalize("NFKC");
  if (/^[\x20-\x7e]$/.test(plain)) return plain;
  return /^\p{Nd}$/u.test(sign) ? String(digitValue(sign)) : sign;
}

/** Decimal digits stand in runs of ten in Unicode, each run beginning at its zero. */
function digitValue(sign: string): number {
  let value = 0;
  for (let code = (sign.codePointAt(0) as number) - 1; value < 9; code--, value++) {
    if (!/\p{Nd}/u.test(String.fromCodePoint(code))) break;
  }
  return value;
}

/** A reading in which each match of a pattern stands as something shorter or equal in length. */
export function rewritten(
  reading: NormalizedText,
  pattern: RegExp,
  rewrite: (...found: string[]) => string,
): NormalizedText {
  let text = "";
  const places: number[] = [];
  let done = 0;
  const keep = (to: number) => {
    for (let i = done; i < to; i++) places.push(reading.at(i));
    text += reading.text.slice(done, to);
  };
  for (const found of reading.text.matchAll(pattern)) {
    keep(found.index);
    const instead = rewrite(...found);
    for (let i = 0; i < instead.length; i++) places.push(reading.at(found.index));
    text += instead;
    done = found.index + found[0].length;
  }
  if (done === 0) return reading;
  keep(reading.text.length);
  places.push(reading.at(reading.text.length));
  return { text, at: (index) => places[index] as number };
}

const bracketed = (words: string) => new RegExp(` ?[[({<_] ?(?:${words}) ?[\\])}>_] ?`, "gi");
const bracketedAt = bracketed("at|ät|arroba|chez|@");
const bracketedDot = bracketed("dot|punkt|point|punto|ponto|\\.");
const spacedAt = /(?<=[\p{L}\p{N}_]) {1,2}@ {1,2}(?=[\p{L}\p{N}-]{1,63}\.\p{L}{2})/gu;

const spokenHost = /@[\p{L}\p{N}-]{1,63}(?:(?: dot |\.)[\p{L}\p{N}-]{1,63}){1,4}/giu;

/** `jane doe` is no address, and `look at example dot com` neither: the word before `at` must be a name. */
const spokenAddress =
  /(?<![\p{L}\p{N}])((?:[\p{L}\p{N}_-]{1,30} dot ){0,3}[\p{L}\p{N}._+-]{1,64}) at ((?:[\p{L}\p{N}-]{1,63}(?: dot |\.)){1,4}\p{L}{2,12})(?!\p{L})/giu;
const noName =
  /^(?:look(?:ed|ing)?|shop|visit|meet|available|found|located|hosted|check|up|online|is|are|was|be|go|live|log|register|apply|and|or|the|us|see|look|buy|sold|work(?:s|ed|ing)?|arrive[ds]?|stay(?:ed|ing)?)$/i;

const digitWords = "zero one two three four five six seven eight nine".split(" ");
const digitWord = "(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)";
const spokenNumber = new RegExp(`(?<![a-z])${digitWord}(?:[ ,-]{1,3}${digitWord}){6,18}(?![a-z])`, "gi");

/** Digits one by one: `1 2 3 - 4 5 - 6 7 8 9`. */
const spacedDigits = /(?<![\p{L}\p{N}.,-])\d(?: \d| ?[-.()/] ?\d){6,30}(?![\p{L}\p{N}])/gu;

/** Puts together what was spelled out: addresses with `at` and `dot`, digits as words, digits one by one. */
export function joinSpelledOut(reading: NormalizedText): NormalizedText {
  let read = rewritten(reading, bracketedAt, () => "@");
  read = rewritten(read, bracketedDot, () => ".");
  read = rewritten(read, spacedAt, () => "@");
  read = rewritten(read, spokenHost, (all) => all.replace(/ dot /gi, "."));
  read = rewritten(read, spokenAddress, (all, local = "", host = "") =>
    / dot /i.test(host) && !noName.test(local) ? `${local}@${host}`.replace(/ dot /gi, ".") : all,
  );
  read = rewritten(read, spokenNumber, (all) =>
    all.replace(/[a-z]+|[ ,-]+/gi, (word) => {
      const value = digitWords.indexOf(word.toLowerCase());
      return value >= 0 ? String(value) : word.toLowerCase() === "oh" ? "0" : "";
    }),
  );
  return rewritten(read, spacedDigits, (all) => (/\d\d/.test(all) ? all : all.replaceAll(" ", "")));
}

/** Whether a text may hold something spelled out: most do not, and are through with in one go. */
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
