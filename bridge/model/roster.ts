/** The version of a file that its address referred to when it was looked up. */
export interface FileVersion {
  readonly address: string;
  /** Changes whenever the file's content changes. */
  readonly version: string;
  readonly bytes: number;
}

/** Roster file of one match: the version to read, or the reason for which it cannot be read. */
export type Roster = { readonly match: number } & (FileVersion | { readonly fault: string });
