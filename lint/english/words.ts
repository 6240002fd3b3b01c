/** Splits a text into words at white space. */
export function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

/** Words that are followed by a noun, even if it has the form of a verb. */
export const nounMarkers: ReadonlySet<string> = new Set(
  words(`
    a an the its their his her our your my no any every some several many few these those this
    two three four five six seven eight nine ten hundred thousand first second third next same own
    of in on at by for from with without into over under after before between through during per than like to as
    above below beside behind beyond within among across against towards toward about around along upon via
  `),
);

/** Words that begin a clause inside a sentence. Each claims one finite verb, which is not the main clause's. */
export const subordinators: ReadonlySet<string> = new Set(
  words(`
    that which who whose whom where when while if because though although unless whether
    what how why whatever whoever whichever wherever whenever
  `),
);

/** Words that may also be prepositions. They begin a clause only at the beginning of a sentence. */
export const openingConjunctions: ReadonlySet<string> = new Set(words("as after before since until once than"));

/** Present-tense auxiliaries, which are followed by their verb. */
export const auxiliaries: ReadonlySet<string> = new Set(
  words(`
    is are has have does do can cannot may must will won't can't isn't aren't doesn't don't hasn't haven't needn't
  `),
);

export const adverbs: ReadonlySet<string> = new Set(
  words(`
    never only always still also even again just already immediately eventually safely silently no-longer first
    not neither both once twice usually normally correctly exactly
  `),
);

/** Plural pronouns, which are followed by a verb in its base form. */
export const pluralPronouns: ReadonlySet<string> = new Set(
  words("they we you those these both all others people who that which many few some"),
);

/** Words that indicate that the word before them is a verb. */
export const objectMarkers: ReadonlySet<string> = new Set(
  words(`
    a an the its their his her no any every each all both some one two three four five six ten many nothing everything
    something nobody everybody it them itself themselves what whether how why only neither another several
  `),
);
