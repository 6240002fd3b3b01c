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

/** Small: what happens now waits behind a page and its commit. */
const jobPage = 25;

/** How much a job that makes packets looks at between two checkpoints: never more than a second's worth. */
export function pageOfJob({ perSecond = jobPage }: { readonly perSecond?: number }): number {
  return Math.min(jobPage, perSecond);
}
