/** Whether `npm run test:reliability` asks: what takes long is left out of `npm test`, or done less often. */
export const asked = process.env.RELIABILITY !== undefined;

/** The long ones too: what CI leaves out. */
export const full = process.env.RELIABILITY === "full";

/** How many random inputs a door is tried with. */
export const inputsPerDoor = asked ? 10_000 : 1_000;

/** `SEED` begins elsewhere; a fixed one lets a red build be repeated. */
export const firstSeed = Number(process.env.SEED ?? 1);

declare module "vitest" {
  interface TaskMeta {
    /** What a test has reached, for the reliability table. */
    figure?: string;
    /** Whether that is what the row asks for, and not only what the run's budget does. */
    met?: boolean;
    /** What its chance began with: the same again is the same run. */
    seed?: string;
  }
}

interface Told {
  /** Whether that is all its row asks for. Default: it is. */
  readonly met?: boolean;
  readonly seed?: string | number;
}

/** Tells the table what a test has reached. */
export function figure(
  task: { readonly meta: { figure?: string; met?: boolean; seed?: string } },
  reached: string,
  { met = true, seed }: Told = {},
): void {
  task.meta.figure = reached;
  task.meta.met = met;
  if (seed !== undefined) task.meta.seed = String(seed);
}
