import { baseVerbs } from "./verbs.ts";
import { words } from "./words.ts";

/** Words that never begin a title, because they begin a clause, or a predicate without its subject. */
export const fragmentOpenings: ReadonlySet<string> = new Set(
  words(`
    of that is are was were and or but nor so than as because
    what who whom whose how why whether which where wherever whatever whoever whichever
    not made again twice
  `),
);

/** Words that begin a title only if a main clause follows after a comma or colon. */
export const clauseOpenings: ReadonlySet<string> = new Set(
  words(`
    with without by after before between at from in into to on onto off for during over under through behind beside
    within below above then when whenever while if until since once out up beyond across against per
  `),
);

/** Participles that never begin a subject, unlike `edited` in `edited packets`. */
const bareParticiples: ReadonlySet<string> = new Set(words("called told given gone brought said asked"));

/** Past participles that do not end in -ed. */
const irregular: ReadonlySet<string> = new Set(
  words(`
    begun bound broken built caught chosen done driven fallen felt found forgotten frozen held hidden kept known laid
    left lost made meant met overridden overwritten paid rung seen sent shown spoken stuck taken taught thrown withdrawn
    withheld woken written
  `),
);

/** Returns true if a title begins with a past participle that modifies no noun: `pushed twice`, `told by its fault`. */
export function beginsWithParticiple(first: string, second: string | undefined): boolean {
  if (bareParticiples.has(first)) return true;
  if (!irregular.has(first) && !(first.endsWith("ed") && !baseVerbs.has(first))) return false;
  return second === undefined || fragmentOpenings.has(second) || clauseOpenings.has(second) || second.endsWith("ly");
}

/** Openings of a comment that never begin with a subject. */
export const commentFragment =
  /^(?:what|how|where|whether|who|whom|whose|why|which|whatever|whoever|so (?:many|much|few|long)|as (?:many|much|few|soon|long|often|far))\b/i;

/** Openings of a comment that are allowed only if a main clause follows. */
export const commentClause =
  /^(?:when|as|that|after|before|since|until|once|while|if|because|of|by|in|at|on|for|from|to|with|without|under|than)\b/i;
