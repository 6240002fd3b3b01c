// Statistics of measured figures. The measuring is in measure.ts, the words about it in report.ts.

/** One figure in one round, on both sides. */
export interface Pair {
  readonly today: number;
  readonly other: number;
}

/** One figure over all rounds. */
export interface Comparison {
  /** Median over the rounds. */
  readonly today: number;
  /** Median over the rounds. */
  readonly other: number;
  /** Median of the ratios today/other, one ratio a round. */
  readonly ratio: number;
  readonly lowestRatio: number;
  readonly highestRatio: number;
  /** True if 1 is within the spread of the ratios: from the lowest to the highest, both included. */
  readonly isWithinNoise: boolean;
}

/** The value at the given share of the sorted values: 0.5 is the middle, 0.99 the 99th of a hundred. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** The middle value; of an even number of values, the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  return (lower + upper) / 2;
}

/**
 * Compares one figure over rounds in which both sides ran one after the other.
 *
 * The ratio is taken in each round first, because the machine changes less within a round than between rounds.
 */
export function compareRounds(rounds: readonly Pair[]): Comparison {
  const ratios = rounds.map(({ today, other }) => (today === other ? 1 : today / other));
  const lowestRatio = Math.min(...ratios);
  const highestRatio = Math.max(...ratios);
  return {
    today: median(rounds.map(({ today }) => today)),
    other: median(rounds.map(({ other }) => other)),
    ratio: median(ratios),
    lowestRatio,
    highestRatio,
    isWithinNoise: lowestRatio <= 1 && 1 <= highestRatio,
  };
}

/**
 * One in how many figures is outside the noise by chance if nothing has changed.
 *
 * Each round is then above or below 1 like a coin, and all rounds agree in 2 of 2^rounds cases.
 */
export function oneInHowMany(rounds: number): number {
  return 2 ** (rounds - 1);
}
