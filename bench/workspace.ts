import { mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";

/** Temporary folder of one bench run, with everything else to clean up at its end. */
export interface Workspace extends Disposable {
  readonly dir: string;
  /** Aborts when the bench ends, to kill the child processes. */
  readonly signal: AbortSignal;
  /** Runs `clean` when the bench ends, before any function that was deferred earlier. It must be synchronous. */
  defer(clean: () => void): void;
}

/**
 * Opens a workspace. It is cleaned up when it is disposed, or when the process ends early by an error, Ctrl-C, or
 * another signal that can be caught.
 */
export function openWorkspace(): Workspace {
  const dir = mkdtempSync(join(tmpdir(), "bridge-bench-"));
  const running = new AbortController();
  const stack = new DisposableStack();
  stack.defer(() => rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
  // Kills the child processes first, because they write into the folder.
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
