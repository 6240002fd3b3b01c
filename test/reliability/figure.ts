/** True under `npm run test:reliability -- --full`. All other runs have the short budget of CI. */
export const full = process.env.RELIABILITY === "full";

/** Number of random inputs for each entry point. */
export const inputsPerEntryPoint = full ? 10_000 : 1_000;

/** First seed, from `SEED`. The fixed default makes a failing build repeatable. */
export const firstSeed = Number(process.env.SEED ?? 1);

declare module "vitest" {
  interface TaskMeta {
    /** Figure that a test has reached, for the reliability table. */
    figure?: string;
    /** True if the figure meets the row, and not only the run's budget. */
    met?: boolean;
    /** Seed that repeats the run. */
    seed?: string;
  }
}

interface FigureOptions {
  /** True if the figure meets its row. Default: true. */
  readonly met?: boolean;
  readonly seed?: string | number;
}

/** Reports the figure of a test to the table. */
export function figure(
  task: { readonly meta: { figure?: string; met?: boolean; seed?: string } },
  reached: string,
  { met = true, seed }: FigureOptions = {},
): void {
  task.meta.figure = reached;
  task.meta.met = met;
  if (seed !== undefined) task.meta.seed = String(seed);
}
