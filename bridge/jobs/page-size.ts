/** Small: what happens now waits behind a page and its commit. */
const jobPage = 25;

/** Returns the number of items a job reads between two checkpoints: at most a second's worth at its rate. */
export function pageOfJob({ perSecond = jobPage }: { readonly perSecond?: number }): number {
  return Math.min(jobPage, perSecond);
}
