import { fork } from "node:child_process";
import type { Targets } from "./target.ts";

/** The targets, in a process of their own that ends when this is disposed of or the parent ends. */
export interface TargetProcess extends Disposable {
  readonly targets: Targets;
}

export async function startTargets(): Promise<TargetProcess> {
  const child = fork(new URL("target.ts", import.meta.url));
  const targets = await new Promise<Targets>((resolve, reject) => {
    child.once("message", (message) => resolve(message as Targets));
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`The target process ended at its start with exit code ${code}.`)));
  });
  return {
    targets,
    [Symbol.dispose]() {
      if (child.connected) child.disconnect();
    },
  };
}
