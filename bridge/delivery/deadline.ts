import type { Engine } from "../engine.ts";

/** Runs work for at most `times.sendMs`. If it takes longer, aborts its signal and resolves to `late`. */
export async function withinDeadline<T>(
  engine: Engine,
  late: T,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  return new Promise<T>((resolve, reject) => {
    const cancelTimer = engine.clock.after(engine.times.sendMs, () => {
      controller.abort();
      resolve(late);
    });
    work(controller.signal).then(resolve, reject).finally(cancelTimer);
  });
}
