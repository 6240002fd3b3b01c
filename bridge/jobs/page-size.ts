/** Items per page. Small, because live traffic waits while a page is committed. */
const jobPage = 25;

/** Returns the number of items per page of a job that creates packets: at most one second's worth at the job's rate. */
export function pageOfJob({ perSecond = jobPage }: { readonly perSecond?: number }): number {
  return Math.min(jobPage, perSecond);
}
