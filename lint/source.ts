import { type Comment, type EcmaScriptModule, type Program, parseSync } from "oxc-parser";

/** One source file, parsed. Offsets are UTF-16, as JavaScript counts them. */
export interface Source {
  /** Path from the repository's root, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly program: Program;
  readonly comments: readonly Comment[];
  readonly module: EcmaScriptModule;
  /** Offset of the first character of every line. */
  readonly lineStarts: readonly number[];
}

/**
 * Parses one file as TypeScript, TSX or JavaScript, depending on its extension.
 *
 * @throws {SyntaxError} if the file does not parse, because a rule must not pass on a partly parsed file
 */
export function parseSource(path: string, text: string): Source {
  const { program, comments, module, errors } = parseSync(path, text);
  const [error] = errors;
  if (error) throw new SyntaxError(`${path} does not parse: ${error.message}`);
  return { path, text, program, comments, module, lineStarts: lineStartsOf(text) };
}

/** Returns the number of the line that contains an offset. The first line is 1. */
export function lineAt({ lineStarts }: Source, offset: number): number {
  const after = lineStarts.findIndex((start) => start > offset);
  return after === -1 ? lineStarts.length : after;
}

/** Returns the number of lines that a span covers. */
export function linesOf(source: Source, { start, end }: { readonly start: number; readonly end: number }): number {
  return lineAt(source, end - 1) - lineAt(source, start) + 1;
}

function lineStartsOf(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}
