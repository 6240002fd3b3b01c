import type { Engine } from "../../bridge/engine.ts";
import type { Random } from "../../bridge/ports/clock.ts";
import type { StorePort } from "../../bridge/ports/store.ts";
import { writeConfirmed } from "../../bridge/recording/read-back.ts";
import { seededRandom } from "./clock.ts";

/** Returns the store with another `write`. */
export function withWrite<S extends StorePort>(store: S, write: StorePort["write"]): S {
  return new Proxy(store, {
    get(target, name) {
      if (name === "write") return write;
      const member = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

/**
 * Returns the engine with a store of which some writes land and are answered as `conflict`, as happens if the AWS SDK
 * repeats a write whose answer was lost.
 *
 * @param isLost decides for each write, counted from 1
 * @param marks source of the marks of records; by default its own, so that a lost answer changes no other random choice
 */
export function withLostAnswers(
  engine: Engine,
  isLost: (write: number) => boolean,
  marks: Pick<Random, "id"> = seededRandom(1),
): Engine {
  const { store } = engine;
  let writes = 0;
  const losing = withWrite(store, async (puts, entries) => {
    const lost = isLost(++writes);
    const written = await store.write(puts, entries);
    return lost ? "conflict" : written;
  });
  const write: StorePort["write"] = (puts, entries) => writeConfirmed(losing, marks, puts, entries);
  return { ...engine, store: withWrite(losing, write) };
}
