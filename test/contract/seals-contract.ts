import { describe, expect, it } from "vitest";
import type { SealsPort } from "../../bridge/ports/seals.ts";

export interface SealsFixture extends AsyncDisposable {
  readonly port: SealsPort;
  /** Removes a seal, as an intruder with write access to the storage might. */
  remove(number: number): Promise<void>;
}

/** Checks a storage for seals. The seals have valid numbers and structure, but no valid signature. */
export function sealsContract(storage: string, makeFixture: () => Promise<SealsFixture>): void {
  describe(`seals in ${storage}`, () => {
    it("returns the seals unchanged, in the order of their numbers", async () => {
      await using fixture = await makeFixture();
      const { port } = fixture;
      for (const number of [1, 2, 3]) expect(await port.add(number, aSeal(number))).toBe("added");

      expect(await Array.fromAsync(port.from(1))).toEqual([1, 2, 3].map((number) => ({ number, text: aSeal(number) })));
      expect((await Array.fromAsync(port.from(3))).map(({ number }) => number)).toEqual([3]);
      expect(await Array.fromAsync(port.from(4))).toEqual([]);
    });

    it("returns no seal from an empty storage", async () => {
      await using fixture = await makeFixture();

      expect(await fixture.port.last()).toBeUndefined();
      expect(await Array.fromAsync(fixture.port.from(1))).toEqual([]);
      expect(await fixture.port.remembered?.()).toBeUndefined();
    });

    it("keeps the first seal if another is added under the same number", async () => {
      await using fixture = await makeFixture();
      const { port } = fixture;
      await port.add(1, aSeal(1));

      expect(await port.add(1, aSeal(1, "2026-03-02T00:00:00.000Z"))).toBe("taken");

      expect(await Array.fromAsync(port.from(1))).toEqual([{ number: 1, text: aSeal(1) }]);
    });

    it("returns the highest-numbered seal, even if an earlier one is missing", async () => {
      await using fixture = await makeFixture();
      const { port } = fixture;
      const seen: (number | undefined)[] = [];
      for (let number = 1; number <= 40; number++) {
        await port.add(number, aSeal(number));
        seen.push((await port.last())?.number);
      }
      await fixture.remove(32);

      expect(seen).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
      expect(await port.last()).toEqual({ number: 40, text: aSeal(40) });
      expect((await Array.fromAsync(port.from(31))).map(({ number }) => number).slice(0, 3)).toEqual([31, 33, 34]);
    });
  });
}

function aSeal(seal: number, at = "2026-03-01T12:00:00.000Z"): string {
  const hash = "0".repeat(64);
  return `${JSON.stringify({ seal, at, entries: 1, list: hash, prev: hash, to: `${seal}`, key: hash })}\nc2lnbmVk\npkt-a ${seal} ${hash}\n`;
}
