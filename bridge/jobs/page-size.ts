/** Small: what happens now waits behind a page and its commit. */
const jobPage = 25;

/** How much a job that makes packets looks at between two checkpoints: never more than a second's worth. */
export function pageOfJob({ perSecond = jobPage }: { readonly perSecond?: number }): number {
  return Math.min(jobPage, perSecond);
}
