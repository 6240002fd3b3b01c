import { mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";

/** The temporary folder of one call of the bench, and everything else to clean up when it ends. */
export interface Workspace extends Disposable {
  readonly dir: string;
  /** Aborts when the bench ends: child processes started with it are killed. */
  readonly signal: AbortSignal;
  /** Runs `clean` when the bench ends, before anything that was deferred earlier. Must be synchronous. */
  defer(clean: () => void): void;
}

/**
 * Opens a workspace that is cleaned up when it is disposed of, and also if the process ends early: by an error, by
 * Ctrl-C, or by another signal that can be caught.
 */
export function openWorkspace(): Workspace {
  const dir = mkdtempSync(join(tmpdir(), "bridge-bench-"));
  const running = new AbortController();
  const stack = new DisposableStack();
  stack.defer(() => rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
  // Children first: they write into the folder.
  const clean = () => {
    running.abort();
    stack.dispose();
  };
  process.once("exit", clean);
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(name, () => process.exit(128 + constants.signals[name]));
  }
  return {
    dir,
    signal: running.signal,
    defer: (deferred) => stack.defer(deferred),
    [Symbol.dispose]: clean,
  };
}
