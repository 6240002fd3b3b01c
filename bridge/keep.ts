import type { Engine } from "./engine.ts";
import type { Connector } from "./model/connector.ts";
import { eachToItsEnd } from "./observability/log.ts";
import { tend } from "./probe.ts";
import { watch } from "./watchdog.ts";

/** One round of everything that happens by the clock, where one process does it all. */
export async function keep(engine: Engine): Promise<void> {
  const targets = engine.catalog.ids.map((id) => tend(engine, engine.catalog.get(id) as Connector));
  await eachToItsEnd(engine, [...targets, watch(engine)]);
}
