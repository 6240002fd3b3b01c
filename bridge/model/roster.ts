/** Version of a file at the time its address was looked up. */
export interface FileVersion {
  readonly address: string;
  /** Changes whenever the file's content changes. */
  readonly version: string;
  readonly bytes: number;
}

/** Roster file of one match: the version to read, or the reason it cannot be read. */
export type Roster = { readonly match: number } & (FileVersion | { readonly fault: string });
