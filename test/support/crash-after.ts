import type { Engine } from "../../bridge/engine.ts";

/** Wraps an engine so that it fails like a crashed process: after `writes` writes to any port, every write fails. */
export function crashAfter(engine: Engine, writes: number): Engine {
  let left = writes;
  const countWrite = () => {
    if (left-- <= 0) throw new Error("the process has ended");
  };
  const guard = <T extends object>(port: T, names: readonly string[]): T =>
    new Proxy(port, {
      get(target, name) {
        const member = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        if (!names.includes(String(name))) return member.bind(target);
        return async (...args: unknown[]) => {
          countWrite();
          return member.apply(target, args);
        };
      },
    });
  return {
    ...engine,
    store: guard(engine.store, ["write"]),
    queue: guard(engine.queue, ["send", "startMove", "stopMove"]),
  };
}
