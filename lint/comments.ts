import type { Comment } from "oxc-parser";
import { lineAt, type Source } from "./source.ts";

/**
 * One comment as a reader sees it. Line comments on consecutive lines count as one.
 *
 * In `text`, comment markers are replaced with blanks, so `start` plus an index into it is an offset in the file.
 */
export interface Prose {
  /** `doc`: a doc comment. `head`: the file's first comment, if no statement precedes it. `line`: any other. */
  readonly kind: "doc" | "head" | "line";
  readonly text: string;
  readonly start: number;
}

/** Returns the comments of a file, in order. */
export function proseOf(source: Source): Prose[] {
  const before = source.program.body[0]?.start ?? source.text.length;
  return groupsOf(source).map(([first, last], index) => {
    const written = source.text.slice(first.start, last.end);
    const head = index === 0 && last.end <= before;
    const kind = written.startsWith("/**") ? "doc" : head ? "head" : "line";
    return { kind, text: undecorated(written), start: first.start };
  });
}

/** Returns the first and last comment of each group. */
function groupsOf(source: Source): [Comment, Comment][] {
  const groups: [Comment, Comment][] = [];
  for (const comment of source.comments) {
    const group = groups.at(-1);
    if (group && continues(source, group[1], comment)) group[1] = comment;
    else groups.push([comment, comment]);
  }
  return groups;
}

function continues(source: Source, last: Comment, next: Comment): boolean {
  if (last.type !== "Line" || next.type !== "Line") return false;
  const between = source.text.slice(last.end, next.start);
  return between.trim() === "" && lineAt(source, next.start) === lineAt(source, last.end) + 1;
}

function undecorated(comment: string): string {
  return comment.replace(/^\/\*+|\*+\/$/g, blank).replace(/^[ \t]*(?:\/\/+|\*)/gm, blank);
}

function blank(text: string): string {
  return text.replace(/[^\n]/g, " ");
}
