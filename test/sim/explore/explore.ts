import type { Wrap } from "../process.ts";
import { violationsAtRest } from "./check.ts";
import type { Kind } from "./kind.ts";
import { advances, Lab, type Step } from "./lab.ts";

/** Limits of what may go wrong in one history. */
export interface Budget {
  /** Crashes and lost answers. */
  readonly faults: number;
  /** Advances of the clock while a worker waits at a call. */
  readonly pauses: number;
}

export interface ExploreOptions extends Budget {
  readonly wrap?: Wrap;
  /** Schedules after which the exploration gives up. */
  readonly maxSchedules?: number;
  /** Ends at the first violation. */
  readonly stopsEarly?: boolean;
}

/** A schedule after which a guarantee does not hold. */
export interface Failure {
  readonly schedule: readonly Step[];
  readonly violations: readonly string[];
  readonly trace: readonly string[];
}

export interface Exploration {
  readonly kind: string;
  readonly states: number;
  /** Steps of the longest history. */
  readonly depth: number;
  /** Executions from the start. */
  readonly schedules: number;
  /** Different ends that were checked. */
  readonly ends: number;
  /** True if nothing is left to explore within the budget. */
  readonly isComplete: boolean;
  /** Shortest failing schedule for each set of violations. */
  readonly failures: readonly Failure[];
  readonly seconds: number;
}

/** A schedule prefix to continue, with the budget left after it. */
interface Branch extends Budget {
  readonly steps: readonly Step[];
}

/**
 * Explores every schedule of a kind within a budget.
 *
 * A running async function cannot be copied, so a branch is re-executed from the start by its prefix. Each execution then
 * goes on until it reaches a state that was explored before or the end, and leaves the other branches of each new state
 * in the frontier. A state that was explored with at least the same budget is not explored again: the core is
 * deterministic, so a worker's future depends only on the results of its own calls, the store, the queues, the target and
 * the clock, all of which are in the state's hash.
 */
export async function explore(kind: Kind, options: ExploreOptions): Promise<Exploration> {
  const began = performance.now();
  const search = new Search(kind, options);
  const { maxSchedules = Number.POSITIVE_INFINITY, faults, pauses } = options;
  const frontier: Branch[] = [{ steps: [], faults, pauses }];
  for (let next = frontier.pop(); next; next = frontier.pop()) {
    frontier.push(...(await search.execute(next)));
    if (search.schedules >= maxSchedules) break;
    if (options.stopsEarly && search.failures.size > 0) break;
  }
  const { states, depth, schedules, ends } = search;
  return {
    kind: kind.name,
    ...{ states: states.size, depth, schedules, ends: ends.size },
    isComplete: frontier.length === 0,
    failures: [...search.failures.values()],
    seconds: (performance.now() - began) / 1_000,
  };
}

class Search {
  /** Budgets with which each state was explored, by hash. */
  readonly states = new Map<string, Budget[]>();
  readonly ends = new Set<string>();
  readonly failures = new Map<string, Failure>();
  depth = 0;
  schedules = 0;
  readonly #kind: Kind;
  readonly #options: ExploreOptions;

  constructor(kind: Kind, options: ExploreOptions) {
    this.#kind = kind;
    this.#options = options;
  }

  /** Runs one branch to its end or to a known state. Returns the branches that it leaves. */
  async execute(branch: Branch): Promise<Branch[]> {
    this.schedules++;
    const lab = await Lab.open(this.#kind, this.#options.wrap);
    try {
      for (const step of branch.steps) await lab.apply(step);
      return await this.#continue(lab, branch);
    } finally {
      await lab[Symbol.asyncDispose]();
    }
  }

  async #continue(lab: Lab, branch: Branch): Promise<Branch[]> {
    const left: Branch[] = [];
    let here = branch;
    while (this.#isNew(lab.stateHash(), here)) {
      this.depth = Math.max(this.depth, here.steps.length);
      const [first, ...others] = branchesOf(lab, here);
      if (!first) {
        await this.#check(lab, here.steps);
        break;
      }
      left.push(...others);
      await lab.apply(first.steps.at(-1) as Step);
      here = first;
    }
    return left;
  }

  #isNew(hash: string, { faults, pauses }: Budget): boolean {
    const known = this.states.get(hash) ?? [];
    if (known.some((one) => one.faults >= faults && one.pauses >= pauses)) return false;
    const kept = known.filter((one) => one.faults > faults || one.pauses > pauses);
    this.states.set(hash, [...kept, { faults, pauses }]);
    return true;
  }

  async #check(lab: Lab, schedule: readonly Step[]): Promise<void> {
    const end = lab.worldHash();
    if (this.ends.has(end)) return;
    this.ends.add(end);
    const { trace } = lab;
    const steps = [...trace];
    const violations = await violationsAtRest(lab);
    if (violations.length === 0) return;
    const key = violations.join("\n");
    const known = this.failures.get(key);
    if (!known || known.schedule.length > schedule.length) {
      this.failures.set(key, { schedule, violations, trace: steps });
    }
  }
}

/** Returns the branches of a state. Those that keep the budget come first, so that states are met with all of it. */
function branchesOf(lab: Lab, { steps, faults, pauses }: Branch): Branch[] {
  if (lab.isFinished) return [];
  const next = lab.steps();
  const branches: Branch[] = next.runs.map((step) => ({ steps: [...steps, step], faults, pauses }));
  if (faults > 0) {
    for (const step of next.faults) branches.push({ steps: [...steps, step], faults: faults - 1, pauses });
  }
  if (pauses > 0 && lab.isWaiting) {
    for (const seconds of advances)
      branches.push({ steps: [...steps, `+${seconds}s`], faults, pauses: pauses - 1 });
  }
  return branches;
}
