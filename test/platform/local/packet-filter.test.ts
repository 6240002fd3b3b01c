import { describe, expect, it } from "vitest";
import { InvalidRequestError } from "../../../bridge/values/bridge-error.ts";
import { aCore } from "../../support/core.ts";

describe("packet pages", () => {
  it("scans a limited number of rows, so rare matches are found over several pages", async () => {
    await using core = await aCore();
    const many = 2_500;
    await core.emit(
      ...Array.from({ length: many }, (_, i) => ({ id: `${i}`, subject: `r${i}`, data: { new_rate: i } })),
    );
    await core.map();

    const first = await core.engine.store.packets({ entity: "r2400", limit: 10 });
    const found: string[] = [];
    let pages = 0;
    let after: string | undefined;
    do {
      const page = await core.engine.store.packets({ entity: "r2400", limit: 10, ...(after && { after }) });
      found.push(...page.items.map(({ packet }) => packet.entity));
      after = page.next;
      pages++;
    } while (after !== undefined);

    expect(first).toMatchObject({ items: [], next: expect.any(String) });
    expect(found).toEqual(["r2400"]);
    expect(pages).toBe(3);
  });

  it.each(["", "x", "[1]", "[1,-2]", "{}", '["a","b"]', "[9e99,1]", "'; DROP TABLE packets"])(
    "rejects the invalid cursor %j",
    async (after) => {
      await using core = await aCore();

      await expect(core.engine.store.packets({ limit: 10, after })).rejects.toThrow(InvalidRequestError);
      await expect(core.engine.store.events({ limit: 10, after })).rejects.toThrow(InvalidRequestError);
    },
  );
});
