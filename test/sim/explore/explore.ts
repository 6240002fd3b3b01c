import type { Wrap } from "../process.ts";
import { violationsAtRest } from "./check.ts";
import type { Kind } from "./kind.ts";
import { type Bench, Lab, prepareBench, stateHash, worldHash } from "./lab.ts";
import type { Snapshot } from "./snapshot.ts";
import { advances, type Step } from "./worker.ts";

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

/** A step from a state that is not explored yet, with the budget left after it. */
interface Branch extends Budget {
  readonly from: Snapshot;
  readonly schedule: readonly Step[];
}

/**
 * Explores every schedule of a kind within a budget.
 *
 * A running async function cannot be copied. A state is therefore kept as the contents of the store, the queues and the
 * target, the clock, and the results of each worker's calls. To go on from it, the contents are put back and each worker
 * is begun again and given its results, which brings it to the same point because the core is deterministic.
 *
 * A state that was explored with at least the same budget is not explored again.
 */
export async function explore(kind: Kind, options: ExploreOptions): Promise<Exploration> {
  const began = performance.now();
  const bench = await prepareBench(kind, options.wrap);
  const search = new Search(bench);
  const { maxSchedules = Number.POSITIVE_INFINITY, faults, pauses } = options;
  const frontier = new Frontier();
  frontier.add({ from: bench.start, schedule: [], faults, pauses });
  for (let next = frontier.take(); next; next = frontier.take()) {
    for (const branch of await search.execute(next)) frontier.add(branch);
    if (search.schedules >= maxSchedules) break;
    if (options.stopsEarly && search.failures.size > 0) break;
  }
  await bench.core[Symbol.asyncDispose]();
  const { states, depth, schedules, ends } = search;
  return {
    kind: kind.name,
    ...{ states: states.size, depth, schedules, ends: ends.size },
    isComplete: frontier.isEmpty,
    failures: [...search.failures.values()],
    seconds: (performance.now() - began) / 1_000,
  };
}

/** Branches that are not explored yet. Those with the most budget are first, so that few states are explored twice. */
class Frontier {
  readonly #byBudget: Branch[][] = [];

  add(branch: Branch): void {
    const budget = branch.faults + branch.pauses;
    this.#byBudget[budget] ??= [];
    this.#byBudget[budget]?.push(branch);
  }

  take(): Branch | undefined {
    return this.#byBudget.findLast((branches) => branches !== undefined && branches.length > 0)?.pop();
  }

  get isEmpty(): boolean {
    return this.#byBudget.every((branches) => branches.length === 0);
  }
}

class Search {
  /** Budgets with which each state was explored, by hash. */
  readonly states = new Map<string, Budget[]>();
  readonly ends = new Set<string>();
  readonly failures = new Map<string, Failure>();
  depth = 0;
  schedules = 0;
  readonly #bench: Bench;

  constructor(bench: Bench) {
    this.#bench = bench;
  }

  /** Runs one branch to its end or to a known state. Returns the branches that it leaves. */
  async execute({ from, schedule, ...budget }: Branch): Promise<Branch[]> {
    this.schedules++;
    const left: Branch[] = [];
    const lab = await Lab.restore(this.#bench, from);
    const last = schedule.at(-1);
    if (last) await lab.apply(last);
    let here = { schedule, ...budget };
    let state = lab.snapshot();
    while (this.#isNew(stateHash(state), here)) {
      this.depth = Math.max(this.depth, here.schedule.length);
      const [first, ...others] = branchesOf(lab, { ...here, from: state });
      if (!first) {
        await this.#check(lab, here.schedule, worldHash(state));
        break;
      }
      left.push(...others);
      await lab.apply(first.schedule.at(-1) as Step);
      here = first;
      state = lab.snapshot();
    }
    lab.end();
    return left;
  }

  #isNew(hash: string, { faults, pauses }: Budget): boolean {
    const known = this.states.get(hash) ?? [];
    if (known.some((one) => one.faults >= faults && one.pauses >= pauses)) return false;
    const kept = known.filter((one) => one.faults > faults || one.pauses > pauses);
    this.states.set(hash, [...kept, { faults, pauses }]);
    return true;
  }

  async #check(lab: Lab, schedule: readonly Step[], end: string): Promise<void> {
    if (this.ends.has(end)) return;
    this.ends.add(end);
    const trace = [...lab.trace];
    const violations = await violationsAtRest(lab);
    if (violations.length === 0) return;
    const key = violations.join("\n");
    const known = this.failures.get(key);
    if (!known || known.schedule.length > schedule.length) this.failures.set(key, { schedule, violations, trace });
  }
}

/** Returns the branches of a state. Those that keep the budget come first, so that states are met with all of it. */
function branchesOf(lab: Lab, { from, schedule, faults, pauses }: Branch): Branch[] {
  if (lab.isFinished) return [];
  const next = lab.steps();
  const branches: Branch[] = next.runs.map((step) => ({ from, schedule: [...schedule, step], faults, pauses }));
  if (faults > 0) {
    for (const step of next.faults) branches.push({ from, schedule: [...schedule, step], faults: faults - 1, pauses });
  }
  if (pauses > 0 && lab.isWaiting) {
    for (const seconds of advances) {
      branches.push({ from, schedule: [...schedule, `+${seconds}s`], faults, pauses: pauses - 1 });
    }
  }
  return branches;
}
