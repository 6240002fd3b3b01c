import { describe, expect, it } from "vitest";
import { sheetCheckHandler } from "../../functions/sheet-check-handler.ts";
import { aCatalog } from "../support/builders.ts";

/** Builds the event with which AppConfig invokes a validator. */
const validation = (configuration: unknown) => ({
  applicationId: "app1",
  configurationProfileId: "pro1",
  configurationVersion: "7",
  content: Buffer.from(JSON.stringify(configuration)).toString("base64"),
  uri: "hosted",
});

const document = (connector: string) => ({
  source_event: "rate.changed",
  targets: { hr: { connector, map: { rate: "rate" } } },
});

const check = sheetCheckHandler(aCatalog("HR"));

describe("sheet-check", () => {
  it("returns nothing for valid sheets", async () => {
    const set = { sheets: [{ file: "mappings/a.yaml", document: document("HR") }], policy: {} };

    expect(await check(validation(set))).toBeUndefined();
  });

  it("rejects an invalid sheet with file, issue and fix", async () => {
    const set = { sheets: [{ file: "mappings/a.yaml", document: document("Payroll") }], policy: {} };

    await expect(check(validation(set))).rejects.toThrow(
      /^mappings\/a.yaml: targets.hr.connector: no connector is called Payroll; installed: HR@v1$/,
    );
  });

  it("lists ten issues and the number of the others", async () => {
    const sheets = Array.from({ length: 15 }, (_, i) => ({ file: `mappings/s${i}.yaml`, document: document("X") }));

    const error = await check(validation({ sheets, policy: {} })).catch((thrown: Error) => thrown.message);

    expect(String(error).split("\n")).toHaveLength(11);
    expect(error).toMatch(/\nand 5 more$/);
  });

  it.each([{}, { content: 7 }, { content: "not base64!" }, null])(
    "rejects %j because it is not an AppConfig event",
    async (event) => {
      await expect(check(event)).rejects.toThrow("its content is not base64");
    },
  );
});
