import { proseOf } from "../comments.ts";
import { commentClause, commentFragment } from "../english/openings.ts";
import { isSentence, wordsOf } from "../english/sentence.ts";
import type { Rule } from "../rule.ts";
import { lineAt } from "../source.ts";

/** Reports doc comments, and comments at the head of a file, that begin without a subject. */
export const commentOpenings: Rule = {
  name: "comment-openings",
  title: "doc comments without a subject",
  check: (sources) =>
    sources.flatMap((source) =>
      proseOf(source).flatMap(({ kind, text, start }) => {
        const sentence = firstSentence(text);
        if (kind === "line" || !lacksSubject(sentence)) return [];
        const line = lineAt(source, start + text.search(/\S/));
        const [first] = sentence.split(/\s/, 1);
        return [{ file: source.path, line, message: `begins with "${first}": say the subject first: "${sentence}"` }];
      }),
    ),
};

function lacksSubject(sentence: string): boolean {
  if (commentFragment.test(sentence)) return true;
  return commentClause.test(sentence) && !isSentence(wordsOf(sentence));
}

/** Returns the first sentence of a comment on one line. A tag or an empty line also ends it. */
function firstSentence(text: string): string {
  const [paragraph = ""] = text.trim().split(/\n\s*\n|\s@/, 1);
  const [sentence = ""] = paragraph.replace(/\s+/g, " ").split(/(?<=[.;?!])\s/, 1);
  return sentence;
}
