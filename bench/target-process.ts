import { fork } from "node:child_process";
import type { Targets } from "./target.ts";

/** Process of the targets. It ends when this object is disposed or the parent process ends. */
export interface TargetProcess extends Disposable {
  readonly targets: Targets;
}

/** Starts the process of the targets and waits until they listen. */
export async function startTargets(): Promise<TargetProcess> {
  const child = fork(new URL("target.ts", import.meta.url));
  const targets = await new Promise<Targets>((resolve, reject) => {
    child.once("message", (message) => resolve(message as Targets));
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`The target process ended during startup with exit code ${code}.`)));
  });
  return {
    targets,
    [Symbol.dispose]() {
      if (child.connected) child.disconnect();
    },
  };
}
