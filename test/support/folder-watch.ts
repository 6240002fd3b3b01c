import { hash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parentPort, Worker, workerData } from "node:worker_threads";

/** What somebody saw who looked into a folder all the time. */
export interface Watched {
  /** How often it looked. */
  readonly looks: number;
  /** The visible files' contents, by SHA-256, in the order they showed: more than one where a file changed. */
  readonly seen: Readonly<Record<string, readonly string[]>>;
}

/** Looks into a folder as often as it can, in a thread of its own. Names with a dot before them are not looked at. */
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
      // Only what has changed is read again, so that it looks often.
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
