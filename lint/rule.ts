import type { Source } from "./source.ts";

/** One violation of a rule, at the line to change. */
export interface Finding {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

/** One rule that the whole repository must satisfy. */
export interface Rule {
  readonly name: string;
  /** Title for the table of counts. */
  readonly title: string;
  readonly check: (sources: readonly Source[]) => Finding[];
}
