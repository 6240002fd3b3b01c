import type { Scenario } from "./scenario.ts";
import { bulk } from "./scenarios/bulk.ts";
import { burst } from "./scenarios/burst.ts";
import { floor } from "./scenarios/floor.ts";
import { idle } from "./scenarios/idle.ts";
import { map } from "./scenarios/map.ts";

/** All scenarios that `--only` accepts, in the order in which they run. The floor runs before them in every round. */
export const scenarios: readonly Scenario[] = [idle, burst, bulk, map];

/** Returns the floor and the named scenarios, in the order in which they run. */
export function withFloor(names: readonly string[]): readonly Scenario[] {
  return [floor, ...scenarios.filter(({ name }) => names.includes(name))];
}

/** @throws {RangeError} if there is no such scenario */
export function scenarioNamed(name: string): Scenario {
  const found = [floor, ...scenarios].find((each) => each.name === name);
  if (!found) throw new RangeError(`There is no scenario ${name}.`);
  return found;
}
