import type { Source } from "./source.ts";

/** One offender, at the line that a person has to change. */
export interface Finding {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

/** One countable rule over the whole tree. The repository keeps it if it has no finding. */
export interface Rule {
  readonly name: string;
  /** Title for the table of counts. */
  readonly title: string;
  readonly check: (sources: readonly Source[]) => Finding[];
}
