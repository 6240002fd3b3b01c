import { hash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parentPort, Worker, workerData } from "node:worker_threads";

/** Observations of a folder that was polled continuously. */
export interface Watched {
  /** Number of polls. */
  readonly looks: number;
  /** SHA-256 of each visible file's contents, in the order seen. A file that changed has more than one. */
  readonly seen: Readonly<Record<string, readonly string[]>>;
}

/** Polls a folder in its own thread as often as possible. Ignores names that begin with a dot. */
export function watchFolder(folder: string): { stop(): Promise<Watched> } {
  const thread = new Worker(new URL(import.meta.url), { workerData: folder });
  return {
    async stop() {
      const { promise, resolve, reject } = Promise.withResolvers<Watched>();
      thread.once("message", resolve);
      thread.once("error", reject);
      thread.postMessage("stop");
      const watched = await promise;
      await thread.terminate();
      return watched;
    },
  };
}

if (parentPort) {
  const port = parentPort;
  const folder = workerData as string;
  const seen: Record<string, string[]> = {};
  const known = new Map<string, string>();
  let looks = 0;
  const look = () => {
    looks++;
    for (const name of readdirSync(folder)) {
      if (name.startsWith(".")) continue;
      const { ino, size, mtimeNs } = statSync(join(folder, name), { bigint: true });
      // Only a changed file is read again, which keeps the polls frequent.
      const state = `${ino} ${size} ${mtimeNs}`;
      if (known.get(name) === state) continue;
      known.set(name, state);
      const content = hash("sha256", readFileSync(join(folder, name)));
      if (seen[name]?.at(-1) !== content) seen[name] = [...(seen[name] ?? []), content];
    }
  };
  let timer = setImmediate(function again() {
    look();
    timer = setImmediate(again);
  });
  port.on("message", () => {
    clearImmediate(timer);
    look();
    port.postMessage({ looks, seen } satisfies Watched);
  });
}
