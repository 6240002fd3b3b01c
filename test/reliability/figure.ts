/** Whether `npm run test:reliability` asks: what takes long is left out of `npm test`. */
export const asked = process.env.RELIABILITY !== undefined;

/** The long ones too: what CI leaves out. */
export const full = process.env.RELIABILITY === "full";

declare module "vitest" {
  interface TaskMeta {
    /** What a test has reached, for the reliability table. */
    figure?: string;
  }
}

/** Tells the table what a test has reached. */
export function figure(task: { readonly meta: { figure?: string } }, reached: string): void {
  task.meta.figure = reached;
}
