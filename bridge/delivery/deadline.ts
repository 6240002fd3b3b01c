import type { Engine } from "../engine.ts";

/** Runs work that must end in time; when it does not, its signal aborts and `late` is the result. */
export async function withinDeadline<T>(
  engine: Engine,
  late: T,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  return new Promise<T>((resolve, reject) => {
    const cancel = engine.clock.after(engine.times.sendMs, () => {
      over.abort();
      resolve(late);
    });
    work(over.signal).then(resolve, reject).finally(cancel);
  });
}
