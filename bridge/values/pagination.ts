/** Start of a page: after the given cursor, or at the beginning if there is none. */
export interface PageStart {
  readonly after?: string;
}

/** Reads all pages of a list, one after another. */
export async function* pagesOf<P extends { readonly next?: string | undefined }>(
  read: (from: PageStart) => Promise<P>,
): AsyncGenerator<P> {
  let next: string | undefined;
  do {
    const page = await read(next === undefined ? {} : { after: next });
    yield page;
    next = page.next;
  } while (next !== undefined);
}
