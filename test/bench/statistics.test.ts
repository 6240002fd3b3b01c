import { describe, expect, it } from "vitest";
import { compareRounds, median, oneInHowMany, quantile } from "../../bench/statistics.ts";

describe("quantile", () => {
  const oneToHundred = Array.from({ length: 100 }, (_, i) => 100 - i);

  it("reads the value at a share of the sorted values", () => {
    expect(quantile(oneToHundred, 0.5)).toBe(51);
    expect(quantile(oneToHundred, 0.95)).toBe(96);
  });

  it("returns the largest value for the whole share", () => {
    expect(quantile(oneToHundred, 1)).toBe(100);
  });
});

describe("median", () => {
  it("returns the middle of an odd number of values in any order", () => {
    expect(median([9, 1, 5])).toBe(5);
  });

  it("returns the mean of the middle two of an even number of values", () => {
    expect(median([10, 1, 4, 2])).toBe(3);
  });

  it("returns NaN if there are no values", () => {
    expect(median([])).toBeNaN();
  });
});

describe("compareRounds", () => {
  it("takes the median of the ratios of each round, and not the ratio of the medians", () => {
    const rounds = [
      { today: 1, other: 2 },
      { today: 30, other: 30 },
      { today: 400, other: 100 },
    ];

    const compared = compareRounds(rounds);

    expect(compared).toMatchObject({ today: 30, other: 30, ratio: 1, lowestRatio: 0.5, highestRatio: 4 });
  });

  it("reports a figure as within noise if 1 is between the lowest and the highest ratio", () => {
    const compared = compareRounds([
      { today: 9, other: 10 },
      { today: 11, other: 10 },
    ]);

    expect(compared.isWithinNoise).toBe(true);
  });

  it("reports a figure as within noise if it was equal in one round", () => {
    const compared = compareRounds([
      { today: 12, other: 10 },
      { today: 10, other: 10 },
    ]);

    expect(compared.isWithinNoise).toBe(true);
  });

  it("reports a figure as different if today was lower in every round", () => {
    const compared = compareRounds([
      { today: 8, other: 10 },
      { today: 9.9, other: 10 },
    ]);

    expect(compared).toMatchObject({ isWithinNoise: false, highestRatio: 0.99 });
  });

  it("treats two zeros as equal", () => {
    expect(compareRounds([{ today: 0, other: 0 }])).toMatchObject({ ratio: 1, isWithinNoise: true });
  });
});

describe("oneInHowMany", () => {
  it("counts the sequences of coin tosses for each one in which all tosses agree", () => {
    expect([2, 3, 5].map(oneInHowMany)).toEqual([2, 4, 16]);
  });
});
