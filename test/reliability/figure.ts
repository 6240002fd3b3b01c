/** True under `npm run test:reliability`. `npm test` leaves long tests out, or repeats them less often. */
export const asked = process.env.RELIABILITY !== undefined;

/** The long ones too: what CI leaves out. */
export const full = process.env.RELIABILITY === "full";

/** Number of random inputs that each entry point is tested with. */
export const inputsPerDoor = asked ? 10_000 : 1_000;

/** `SEED` begins elsewhere; a fixed one lets a red build be repeated. */
export const firstSeed = Number(process.env.SEED ?? 1);

declare module "vitest" {
  interface TaskMeta {
    /** Figure that a test has reached, for the reliability table. */
    figure?: string;
    /** True if the figure meets the row, and not only the run's budget. */
    met?: boolean;
    /** Seed of the run: the same seed repeats the run. */
    seed?: string;
  }
}

interface Told {
  /** True if the figure meets its row. Default: true. */
  readonly met?: boolean;
  readonly seed?: string | number;
}

/** Reports the figure of a test to the table. */
export function figure(
  task: { readonly meta: { figure?: string; met?: boolean; seed?: string } },
  reached: string,
  { met = true, seed }: Told = {},
): void {
  task.meta.figure = reached;
  task.meta.met = met;
  if (seed !== undefined) task.meta.seed = String(seed);
}
