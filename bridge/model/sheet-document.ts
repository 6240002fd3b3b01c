import * as z from "zod";
import { pathIssue } from "../values/field-path.ts";
import type { JsonObject } from "../values/json.ts";

const duration = z
  .string('is not a time such as "60s"')
  .regex(/^\d{1,6}(ms|s|m|h|d)$/, 'is not a time such as "60s", "5m", "2h" or "1d"')
  .describe("A time: a number with ms, s, m, h or d.");

const path = z.string("is not a field's path").check((check) => {
  const fault = pathIssue(check.value);
  if (fault) check.issues.push({ code: "custom", message: fault, input: check.value });
});

const expression = z.string("is not an expression").min(1, "is an empty expression").describe("A JSONata expression.");

const instant = z.iso
  .datetime({ offset: true, error: "is not a time such as 2026-12-01T00:00:00Z" })
  .describe("A time with its zone: 2026-12-01T00:00:00Z.");

const mapping = z.union(
  [
    path.describe("The target's field; dots nest."),
    z.strictObject({
      to: path.describe("The target's field; dots nest."),
      with: expression.optional().describe("JSONata over the value; $event, $data and $element are at hand."),
    }),
  ],
  'maps to nothing; give the target\'s field, or "to:"',
);

const roster = z.union(
  [
    path.describe("An array in the event's data: one packet an element."),
    z.strictObject({
      ndjson: path.describe("The field with the address of a file that has an element a line: file:///… or s3://…"),
    }),
  ],
  "names no elements; give the array's path, or \"ndjson:\" with the field that has a file's address",
);

export const targetSchema = z.strictObject({
  connector: z
    .string("is not a connector's name")
    .regex(
      /^[A-Za-z][A-Za-z0-9-]{0,47}(@v\d{1,4})?$/,
      "is not a connector's name such as PayrollConnector or WorkForceNow@v2",
    )
    .optional()
    .describe("What delivers to this target: PayrollConnector, or WorkForceNow@v2."),
  publish: z
    .string("is not an event's type")
    .min(1, "is empty; name the event's type")
    .optional()
    .describe("Inbound: the type of the HMS event it becomes."),
  from: instant.optional().describe("Events accepted before this time do not go to this target."),
  until: instant.optional().describe("Events accepted from this time on do not go to this target."),
  for_each: roster.optional(),
  key: path.optional().describe("Which field says what record changed; of the element where for_each is given."),
  map: z.record(path, mapping, "is missing; give at least one field").optional(),
  set: z.record(path, z.json()).optional().describe("Fixed fields, sent along with every change."),
  send: z.enum(["changed", "full"], 'is neither "changed" nor "full"').default("changed"),
  action: z.enum(["upsert", "delete"], 'is neither "upsert" nor "delete"').default("upsert"),
});

export const exampleSchema = z.strictObject({
  name: z.string("is missing; say what the example shows"),
  event: z.looseObject({ type: z.string() }).describe("A source event; id, source and time may be left out."),
  expect: z
    .record(z.string(), z.union([z.record(z.string(), z.json()), z.array(z.record(z.string(), z.json())), z.null()]))
    .describe("Per target the fields it should get, a list of them for for_each, or null for none."),
  files: z
    .record(z.string(), z.array(z.json()))
    .optional()
    .describe("What the files hold that the event names, an element a line: by address."),
});

export const sheetSchema = z.strictObject({
  source_event: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)], "is missing; name the event type, or a list of them")
    .describe("Which events: the CloudEvents type, or a list of types."),
  when: expression.optional().describe("JSONata over the whole event; the sheet applies where it gives true."),
  key: path.optional().describe("Which record changed: data.policyId. Default: subject, else data.id."),
  consistency_window: duration.default("60s"),
  direction: z
    .enum(["outbound", "inbound"], 'is neither "outbound" nor "inbound"')
    .default("outbound")
    .describe("inbound: what an outside system says becomes an HMS event."),
  targets: z.record(
    z.string().regex(/^[a-z][a-z0-9_-]{0,31}$/, "is not a target's name such as payroll"),
    targetSchema,
    "is missing; name at least one target",
  ),
  examples: z.array(exampleSchema).optional(),
});

/** Content of a sheet. It is stored by hash and compiled again when it is needed. */
export type SheetDocument = z.output<typeof sheetSchema>;
export type SheetExample = z.output<typeof exampleSchema>;

/** The JSON Schema of a sheet, so that an editor completes and checks while one types. */
export function sheetJsonSchema(): JsonObject {
  return {
    ...(z.toJSONSchema(sheetSchema, { io: "input", target: "draft-7" }) as JsonObject),
    title: "HMS Sync Bridge mapping sheet",
  };
}
