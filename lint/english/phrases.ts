/** A word or phrase that comments and test titles must not use, with its replacement. */
export interface Phrase {
  readonly pattern: RegExp;
  readonly instead: string;
}

/** Creates a phrase. A blank in the pattern matches any white space, because a comment may break lines anywhere. */
function phrase(pattern: string, instead: string, flags = "gi"): Phrase {
  return { pattern: new RegExp(pattern.replaceAll(" ", "\\s+"), flags), instead };
}

/** Start of a sentence, or of a clause after a pause. */
const start = "(?<=^\\s*|[.:;,] )";

const person = "(?:who|whom|whoever|the|an?|its|their|every|each|nobody|somebody|HMS|AWS)";

export const bannedPhrases: readonly Phrase[] = [
  // Inverted and subjunctive clauses.
  phrase(`${start}should (?:it|they|he|she|the|an?|one|this|that|these|there|any|anything|nothing)\\b`, "if …"),
  phrase(`${start}(?:were|had|be) (?:it|they|there|he|she)\\b`, "if …, or whether …"),

  // "Where" is for places.
  phrase("(?<=[.] )Where\\b(?=[^.:;?]*,)", "if …", "g"),
  phrase("@throws(?: \\{\\w+\\})? where\\b", "@throws … if"),

  // Words for a state.
  phrase("\\banew\\b", "again"),
  phrase("\\b(?:it|one|that|this|what|which) (?:is|was) none\\b(?! of)", "is invalid, or is not one"),
  phrase("(?<![\\w-])(?:stands?|stood)\\b(?!-| for\\b| in for\\b| out\\b| alone\\b| still\\b)", "is in, or is"),
  phrase("\\bmend(?:s|ed|ing)?\\b", "fix, or repair"),

  // Words for logs and reports. To tell one from another, and to be told to do something, are plain English.
  phrase(
    "(?<!\\b(?:can|cannot|could|to|may) )\\btells?\\b(?! (?:apart|whether|if|how|which)\\b)(?! [^.;]*\\b(?:apart|from)\\b)",
    "log, report, notify, or show",
  ),
  phrase(
    `\\btold\\b(?! (?:apart|from)\\b)(?! \\w+ from\\b)(?! to (?!${person}\\b)\\w)`,
    "logged, reported, notified, or given",
  ),
  phrase("\\b(?:hears?|heard) of\\b", "is notified of, or knows"),

  // Images.
  phrase("\\b(?:the|an?|any|every|same|this|its|inbound) doors?\\b", "endpoint, or entry point"),
  phrase("\\b(?:rings for|rung|bells?)\\b", "wakes the head of the lane; an alarm fires"),
  phrase("\\bthe desk\\b|\\bdesk's\\b", "the batch context"),
  phrase("\\b(?:aboard|boards the|boarding)\\b", "call batch, or call slot"),
  phrase("\\btellers?\\b", "telemetry"),
  phrase("\\berrands?\\b", "job"),
  phrase("\\bin peace\\b", "is not called"),
  phrase("\\b(?:at|in) one go\\b", "in one call, or in one read"),
  phrase("\\btak(?:e|es|en|ing) no notice of\\b", "ignore"),
  phrase("\\bsteps? aside\\b|\\bstepped aside\\b", "moves to the outbox"),
  phrase("\\b(?:of|in|outside) the house\\b|\\bthe house's\\b", "the repository, or built-in"),
];
