/** Where a page begins: at the front, or behind another. */
export interface From {
  readonly after?: string;
}

/** Goes through a list to its end, a page after another. */
export async function* pagesOf<P extends { readonly next?: string | undefined }>(
  read: (from: From) => Promise<P>,
): AsyncGenerator<P> {
  let next: string | undefined;
  do {
    const page = await read(next === undefined ? {} : { after: next });
    yield page;
    next = page.next;
  } while (next !== undefined);
}
