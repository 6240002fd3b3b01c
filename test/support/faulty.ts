import type { Engine } from "../../bridge/engine.ts";

/** A process that ends after so many writes to any port: all that follow fail. */
export function dyingAfter(engine: Engine, writes: number): Engine {
  let left = writes;
  const dies = () => {
    if (left-- <= 0) throw new Error("the process has ended");
  };
  const guard = <T extends object>(port: T, names: readonly string[]): T =>
    new Proxy(port, {
      get(target, name) {
        const member = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        if (!names.includes(String(name))) return member.bind(target);
        return async (...args: unknown[]) => {
          dies();
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
