/** One version of a file: what its address stood for when it was looked up. */
export interface FileVersion {
  readonly address: string;
  /** Another as soon as its content is. */
  readonly version: string;
  readonly bytes: number;
}

/** The roster of one match that stands in a file: which version of it, or why it cannot be read. */
export type Roster = { readonly match: number } & (FileVersion | { readonly fault: string });
