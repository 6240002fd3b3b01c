import type { DataKind } from "./finding.ts";

/**
 * Meaning that a label gives to the number after it.
 *
 * - a data kind: the number is personal data of this kind
 * - `object` and `version`: the number is not personal, whatever its form (`part no.`)
 * - `other`: some other number (`id`), which counts as personal only if its form is unmistakable
 */
export type Meaning = Exclude<DataKind, "email" | "iban"> | "object" | "version" | "other";

/** Returns true for meanings that mark a number as not personal, whatever its form. */
export function isNonPersonal(meaning: Meaning | undefined): boolean {
  return meaning === "object" || meaning === "version";
}

export interface Label {
  readonly meaning: Meaning;
  readonly index: number;
  readonly end: number;
  /** True if the label counts only together with another label of the same meaning: `account`. */
  readonly weak?: boolean;
}

/**
 * Label words as regular expressions, in the languages in which people fill in forms.
 *
 * A space matches a space, hyphen, underscore or nothing.
 */
const words: Readonly<Record<Meaning, readonly string[]>> = {
  ssn: [
    "ssns?",
    "s\\.s\\.n\\.?",
    "ss ?(?:#|no\\b|number|num\\b)",
    "social security",
    "soc(?:ial)?\\.? sec(?:urity)?\\.?",
    "social(?=(?: is| was| number| no\\b|[:#]))",
    "segur(?:o|idad) social",
    "numero social",
    "sozialversicherungs?(?:nummer|nr)?",
    "itin",
    "tin",
    "tax ?(?:payer)? id(?:entification)?",
    "tax payer id",
  ],
  phone: [
    "telefon(?:nummer|nr)",
    "t[eé]l[eé](?:ph|f)o(?:on|ne|no|n)s?",
    "telef",
    "t[eé]l",
    "tlf",
    "tfn",
    "phones?",
    "ph",
    "mob(?:iltelefon|ilnummer|iles?|iel|il)?",
    "m[oó]vil",
    "celular",
    "cellulare",
    "cell(?: ?phone)?s?",
    "handy(?:nummer)?",
    "rufnummer",
    "portable",
    "gsm",
    "fax",
    "whats ?app",
    "signal",
    "sms",
    "messages?(?= (?:to|on|at)\\b)",
    "voice ?mail",
    "pager",
    "call(?:ed|ing|s| back)?",
    "dial(?:ed)?",
    "ring",
    "rang",
    "text(?:ed)?(?= (?:me|us|him|her|them|at|to|\\+?[\\d(]))",
    "reach(?:ed|able)?(?: (?:me|us|him|her|them))?(?= (?:at|on|by|via|under|[^\\d]{1,24} (?:at|on)))",
    "contact(?= [^\\d]{0,24}(?:at|on|:|number|no\\b))",
    ...["my", "her", "his", "their", "our", "your", "contact", "call ?back", "emergency", "direct", "desk"].map(
      (whose) => `${whose} (?:number|no|line)\\b`,
    ),
    "hotline",
    "answer(?:ing|ed|s)?(?= (?:at|on)\\b)",
    ...["desk", "office", "home", "work", "direct"].map((where) => `${where}(?= ?:)`),
    "landline",
    "puh(?:elin)?",
    "тел(?:ефон)?",
    "моб",
    "電話(?:番号)?",
    "电话",
    "手机",
    "전화",
    "هاتف",
  ],
  card: [
    "cards?",
    "visa",
    "master ?card",
    "amex",
    "american express",
    "discover",
    "diners",
    "jcb",
    "maestro",
    "union ?pay",
    "pan",
    "cc",
    "kredit ?karte(?:nnummer)?",
    "tarjeta",
    "carte (?:bancaire|bleue|de cr[ée]dit)",
    "carta di credito",
    "cart[ãa]o",
  ],
  ip: [
    "ip ?v?[46]?(?: ?addr(?:ess)?)?",
    "remote ?addr(?:ess)?",
    "host",
    "client",
    "peer",
    "subnet",
    "dns",
    "gateway",
    "forwarded(?: for)?",
    "logged in",
    "src",
    "dst",
  ],
  birthdate: [
    "d\\.?o\\.?b\\.?",
    "date of birth",
    "birth ?dates?",
    "birth ?days?",
    "birth ?dt",
    "birth(?= (?:is|was|on|[:=]))",
    "b ?day",
    "born(?: on| in)?",
    "b\\.(?= \\d)",
    "geburts(?:datum|tag)",
    "geboren op",
    "geboorte ?datum",
    "geb(?:oren)?\\.?(?: am)?",
    "n[ée](?:e|\\(e\\))? le",
    "date de naissance",
    "naissance",
    "fecha (?:de )?nac(?:imiento)?",
    "nacid[oa](?: el)?",
    "data di nascita",
    "nat[oa] il",
    "data de nascimento",
    "nascid[oa](?: em)?",
    "f[öo]delse ?datum",
    "f[øo]dsels ?dato",
    "f[öø]dd?t?",
    "syntym[äa]aika",
    "data urodzenia",
    "urodzon[yaą]",
    "datum narozen[ií]",
    "do[ğg]um tarihi",
    "дата рождения",
    "родил(?:ся|ась)",
    "生年月日",
    "出生(?:日期)?",
  ],
  passport: [
    "passports?",
    "passeport",
    "reisepass(?:nummer|nr)?",
    "pasaporte",
    "passaporto",
    "passaporte",
    "paspoort(?:nummer)?",
    "pass (?:nr|nummer)",
    "паспорт",
    "护照",
    "旅券",
  ],
  license: [
    "driver(?:'?s'?)? lic(?:en[sc]e|\\b\\.?)",
    "driv(?:er(?:'?s'?)?|ing) (?:licen[sc]e|lic\\b\\.?|permit)",
    "dl(?= ?(?:#|no\\b|num|number|nbr|id\\b|[:=]))",
    "dl (?:number|no|num)",
    "f[üu]hrerschein(?:nummer|nr)?",
    "permis de conduire",
    "licencia de conducir",
    "carnet de conducir",
    "permiso de conducir",
    "patente di guida",
    "carta de condu[çc][ãa]o",
    "rijbewijs(?:nummer)?",
    "k[öo]rkort",
  ],
  bank: [
    "bank(?:ing)? (?:account|acct)",
    ...["checking", "savings?", "deposit", "current", "chequing"].map((sort) => `${sort} (?:account|acct)`),
    "account ?(?:numbers?|nos?\\b|num\\b|nr|#)",
    // Counts only if the text has another bank label.
    "accounts?",
    "acct(?: ?(?:numbers?|nos?\\b|num\\b|nr|#))?",
    "a\\/c",
    "routing",
    "aba",
    "rtn",
    "sort ?code",
    "bsb",
    "blz",
    "bankleitzahl",
    "konto(?:nummer|nr)?",
    "n[úu]mero de cuenta",
    "cuenta",
    "num[ée]ro de compte",
    "rekening(?:nummer)?",
    "direct deposit",
  ],
  object: [
    "parts?",
    "p\\/n",
    "items?",
    "orders?",
    "invoices?",
    "inv",
    "serial",
    "s\\/n",
    "sku",
    "model",
    "catalog(?:ue)?",
    "isbn(?:-1[03])?",
    "issn",
    "ean",
    "upc",
    "gtin",
    "ndc",
    "nsn",
    "imei",
    "tracking",
    "purchase order",
    "po",
    "lots?",
    "batch",
    "gl",
    "budget",
    "duns",
    "ein",
    "fein",
    "vin",
    "fedex",
    "ups",
    "timestamp",
  ],
  version: ["v(?:er(?:sion)?)?", "rv", "release", "firmware", "build", "sec(?:tion)?", "oid", "chrome"],
  other: [
    "lines?",
    "pages?",
    "range",
    "id",
    "ids",
    "ref(?:erence)?",
    "tickets?",
    "cases?",
    "claim",
    "docket",
    "zip",
    "npi",
    "grant",
    "badge",
    "confirmation",
    "flight",
    "rooms?",
    "ext(?:ension)?",
    "amount",
    "total",
    "qty",
    "price",
    "score",
    "uuid",
    "sha\\d*",
    "md5",
    "hash",
    "checksum",
    "commit",
    "seq(?:uence)?",
    "lat",
    "lon",
    "lng",
    "trace",
    "facture",
    "commande",
    "pedido",
    "rechnung(?:snummer)?",
    "kundennummer",
  ],
};

interface Alternatives {
  /** One capture group per label. The first match wins, so a word comes before any prefix of it. */
  readonly pattern: RegExp;
  readonly meanings: readonly Meaning[];
}

/** Labels by first letter, so that only a few are tried at the start of each word. */
const byLetter = new Map<string, Alternatives>();
const all = (Object.keys(words) as Meaning[]).flatMap((meaning) => words[meaning].map((word) => ({ meaning, word })));
for (const [letter, some] of Map.groupBy(all, ({ word }) => word[0] as string)) {
  const source = some.map(({ word }) => `(${word.replaceAll(/ (?!\?)/g, "[ _-]?")})`).join("|");
  byLetter.set(letter, { pattern: new RegExp(source, "iuy"), meanings: some.map(({ meaning }) => meaning) });
}

const bareAccount = /^accounts?$/i;

/** Returns the labels in a text, in order. */
export function labelsIn(text: string): Label[] {
  const found: Label[] = [];
  for (let i = 0; i < text.length; i++) {
    if (!beginsWord(text, i)) continue;
    const alternatives = byLetter.get((text[i] as string).toLowerCase());
    if (!alternatives) continue;
    const { pattern, meanings } = alternatives;
    pattern.lastIndex = i;
    const match = pattern.exec(text);
    if (!match || !endsWord(text, i + match[0].length)) continue;
    const meaning = meanings[match.findIndex((word, group) => group > 0 && word !== undefined) - 1] as Meaning;
    const end = i + match[0].length;
    const last = found.at(-1);
    if (last && meaning === "other" && isSuffix(text, last.end, i, end)) {
      // In `passport ID` the second word only announces the number.
      found[found.length - 1] = { ...last, end };
      i = end - 1;
      continue;
    }
    found.push({ meaning, index: i, end, ...(bareAccount.test(match[0]) && { weak: true }) });
    i = end - 1;
  }
  const isBank = found.some(({ meaning, weak }) => meaning === "bank" && !weak);
  return isBank ? found : found.filter(({ weak }) => !weak);
}

function isSuffix(text: string, before: number, index: number, end: number): boolean {
  return /^[ _.-]?$/.test(text.slice(before, index)) && /^(?:ids?|ref(?:erence)?)$/i.test(text.slice(index, end));
}

const letter = /\p{L}/u;
const lower = /\p{Ll}/u;
const upper = /\p{Lu}/u;

/** Returns true at the start of a separate word, or of a word in a camel-case name such as `socialSecurityNumber`. */
function beginsWord(text: string, index: number): boolean {
  const char = text[index] as string;
  if (!isLetter(char)) return false;
  const before = text[index - 1];
  return before === undefined || !isLetter(before) || isEastAsian(char) || (lower.test(before) && upper.test(char));
}

function endsWord(text: string, end: number): boolean {
  const [last = "", after = ""] = [text[end - 1], text[end]];
  return !isLetter(after) || !isLetter(last) || isEastAsian(last) || (lower.test(last) && upper.test(after));
}

function isLetter(char: string): boolean {
  if (char < "\x80") return (char >= "a" && char <= "z") || (char >= "A" && char <= "Z");
  return letter.test(char);
}

/** Chinese, Japanese and Korean have no space between a label and the number after it. */
function isEastAsian(char: string): boolean {
  return char >= "\u3000";
}

/** Greatest distance between a label and its number, in UTF-16 units. */
const maxGap = 48;

/** Matches the end of a sentence, which also ends a label's reach. Abbreviations such as `Tel.` and `Mr.` do not. */
const sentenceEnd =
  /[!?;\n]\s*\S|(?<!\b(?:\p{L}|no|nr|tel|tél|ph|mob|ext|mr|ms|mrs|dr|st|sec|lic|num|acct|geb|id))\.\s+\p{Lu}/iu;

/** Matches an answer to a label that ends its sentence: `Your date of birth? It's …`. */
const answer =
  /^[^\p{L}\p{N}]*(?:(?:(?:it|that|this|mine)(?:['’]?s| is)|(?:(?:the|its|my|his|her|their) )?numbers?(?: is| are)?)[^\p{L}\p{N}]*)?$/iu;

/**
 * Returns true for a label directly after a number with nothing following it: `669 752 358 fax`, `202-555-0143-Home`.
 */
function isTag(text: string, { index, end: last }: Label, end: number): boolean {
  return (
    /^ ?[-/]? ?$/.test(text.slice(end, index)) &&
    index >= end &&
    /^\s*(?:[\n\r,;.)\]|\\]|$)/.test(text.slice(last, last + 8))
  );
}

const listSeparator = /^(?:[,;/&|]|and|or|und|oder|et|ou|y|o|e|to|then|now)*$/i;

/** Returns true if a gap has no other number, or only numbers of the same list as the one after it. */
function isSameList(gap: string): boolean {
  return !/\d/.test(gap) || listSeparator.test(gap.replace(/[\d\s().+:#-]+/g, ""));
}

/**
 * Finds the label of a number: the nearest one before it in the same sentence, or one directly after it, as in
 * brackets.
 *
 * @param field the meaning of the field's name, used if no label in the text applies
 * @returns the meaning; and the text between label and number, if the label is in the text
 */
export function labelOf(
  text: string,
  found: readonly Label[],
  { index, end }: { readonly index: number; readonly end: number },
  field: Meaning | undefined,
): { readonly meaning: Meaning; readonly gap?: string } | undefined {
  const after = countBefore(found, index);
  const nearest = found[after - 1];
  if (nearest && index - nearest.end <= maxGap) {
    const gap = text.slice(nearest.end, index);
    if ((answer.test(gap) || !sentenceEnd.test(gap)) && isSameList(gap)) return { meaning: nearest.meaning, gap };
  }
  const next = found[after];
  if (next && isTag(text, next, end)) return { meaning: next.meaning, gap: "" };
  if (
    next &&
    next.index >= end &&
    next.index - end <= 20 &&
    /^ ?(?:[([] ?|(?:is|was) (?:my|the|his|her|their|your) (?:[a-z]+ )?)$/i.test(text.slice(end, next.index))
  ) {
    return { meaning: next.meaning, gap: "" };
  }
  return field && { meaning: field };
}

/** Returns how many labels end before an index. Binary search: the labels are in order. */
function countBefore(found: readonly Label[], index: number): number {
  let [low, high] = [0, found.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((found[middle] as Label).end <= index) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Maximum number of cached names. Names come from sheets and, as keys, from data, so their number is unbounded. */
const maxCachedNames = 2_000;
const cachedMeanings = new Map<string, Meaning | undefined>();

/** Returns the meaning that a field's name gives to its value: `employee.ssn`, `workPhone`, `date_of_birth`. */
export function meaningOfName(name: string): Meaning | undefined {
  if (name === "") return undefined;
  if (cachedMeanings.has(name)) return cachedMeanings.get(name);
  const spaced = name
    .slice(0, 256)
    .replace(/(?<=\p{Ll})(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/gu, " ")
    .replace(/[._-]+/g, " ");
  // A word for personal data decides, whatever other words the name has: `phone_order`.
  const labels = labelsIn(`${spaced} number`);
  const label = labels.findLast(({ meaning }) => meaning !== "other" && !isNonPersonal(meaning)) ?? labels.at(-1);
  if (cachedMeanings.size >= maxCachedNames) cachedMeanings.clear();
  cachedMeanings.set(name, label?.meaning);
  return label?.meaning;
}
