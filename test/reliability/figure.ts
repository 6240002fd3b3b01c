/** Whether `npm run test:reliability` asks: what takes long is left out of `npm test`. */
export const asked = process.env.RELIABILITY !== undefined;

/** The long ones too: what CI leaves out. */
export const full = process.env.RELIABILITY === "full";

declare module "vitest" {
  interface TaskMeta {
    /** What a test has reached, for the reliability table. */
    figure?: string;
    /** Whether that is what the row asks for, and not only what the run's budget does. */
    met?: boolean;
  }
}

/** Tells the table what a test has reached, and whether that is all its row asks for. */
export function figure(
  task: { readonly meta: { figure?: string; met?: boolean } },
  reached: string,
  met: boolean = true,
): void {
  task.meta.figure = reached;
  task.meta.met = met;
}
