import type { WriteOnce } from "../../platform/aws/ledger-bucket.ts";

/** A bucket in memory, which a test can inspect. */
export interface MemoryBucket extends WriteOnce {
  readonly objects: Map<string, string>;
}

export function memoryBucket(): MemoryBucket {
  const objects = new Map<string, string>();
  return {
    objects,
    async put(key, text) {
      if (objects.has(key)) return "taken";
      objects.set(key, text);
      return "added";
    },
    async get(key) {
      const text = objects.get(key);
      if (text === undefined) throw new Error(`no ${key}`);
      return text;
    },
    async list(prefix, after, limit = 1_000) {
      return [...objects.keys()]
        .filter((key) => key.startsWith(prefix) && key > after)
        .sort()
        .slice(0, limit);
    },
  };
}
