/** One version of a file: what its address stood for when it was looked up. */
export interface FileVersion {
  readonly address: string;
  /** Another as soon as its content is. */
  readonly version: string;
  readonly bytes: number;
}

/** Roster of one match in a file: the version that is read, or the reason for which it cannot be read. */
export type Roster = { readonly match: number } & (FileVersion | { readonly fault: string });
