import { describe, expect, it } from "vitest";
import { sheetCheckHandler } from "../../functions/sheet-check-handler.ts";
import { aCatalog } from "../support/builders.ts";

/** As AppConfig calls a validator. */
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
  it("lets good sheets pass, and says nothing", async () => {
    const set = { sheets: [{ file: "mappings/a.yaml", document: document("HR") }], policy: {} };

    expect(await check(validation(set))).toBeUndefined();
  });

  it("refuses a faulty one with file, fault and remedy, as AppConfig shows it", async () => {
    const set = { sheets: [{ file: "mappings/a.yaml", document: document("Payroll") }], policy: {} };

    await expect(check(validation(set))).rejects.toThrow(
      /^mappings\/a.yaml: targets.hr.connector: no connector is called Payroll; installed: HR@v1$/,
    );
  });

  it("tells ten faults and counts the rest", async () => {
    const sheets = Array.from({ length: 15 }, (_, i) => ({ file: `mappings/s${i}.yaml`, document: document("X") }));

    const error = await check(validation({ sheets, policy: {} })).catch((thrown: Error) => thrown.message);

    expect(String(error).split("\n")).toHaveLength(11);
    expect(error).toMatch(/\nand 5 more$/);
  });

  it.each([{}, { content: 7 }, { content: "not base64!" }, null])(
    "refuses %j, which is no call of AppConfig's",
    async (event) => {
      await expect(check(event)).rejects.toThrow("its content is not base64");
    },
  );
});
