// Computes statistics of measured figures. measure.ts measures them and report.ts describes them.

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
  /** Median of the ratios today/other, one ratio per round. */
  readonly ratio: number;
  readonly lowestRatio: number;
  readonly highestRatio: number;
  /** True if 1 is between the lowest and the highest ratio, inclusive. */
  readonly isWithinNoise: boolean;
}

/** Returns the value at a share of the sorted values: 0.5 is the middle, 0.99 the 99th percentile. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Returns the middle value or, of an even number of values, the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  return (lower + upper) / 2;
}

/**
 * Compares one figure over all rounds, in each of which both sides ran one after the other.
 *
 * The median is of each round's ratio, because the machine's speed changes less within a round than between rounds.
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
 * Returns n, where about one in n unchanged figures is outside the noise by chance.
 *
 * Without a change, each round's ratio is above or below 1 like a coin toss, and all rounds agree in 2 of 2^rounds
 * cases.
 */
export function oneInHowMany(rounds: number): number {
  return 2 ** (rounds - 1);
}
