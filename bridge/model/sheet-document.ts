import * as z from "zod";
import { pathIssue } from "../values/field-path.ts";
import type { JsonObject } from "../values/json.ts";

const duration = z
  .string('is not a duration such as "60s"')
  .regex(/^\d{1,6}(ms|s|m|h|d)$/, 'is not a duration such as "60s", "5m", "2h" or "1d"')
  .describe("A duration: a number and ms, s, m, h or d.");

const path = z.string("is not a field's path").check((check) => {
  const message = pathIssue(check.value);
  if (message) check.issues.push({ code: "custom", message, input: check.value });
});

const expression = z.string("is not an expression").min(1, "is an empty expression").describe("A JSONata expression.");

const instant = z.iso
  .datetime({ offset: true, error: "is not a time such as 2026-12-01T00:00:00Z" })
  .describe("A time with its offset: 2026-12-01T00:00:00Z.");

const mapping = z.union(
  [
    path.describe("The target's field; dots nest."),
    z.strictObject({
      to: path.describe("The target's field; dots nest."),
      with: expression.optional().describe("JSONata over the value; $event, $data and $element are available."),
    }),
  ],
  'maps to nothing; give the target\'s field, or "to:"',
);

const roster = z.union(
  [
    path.describe("An array in the event's data: one packet per element."),
    z.strictObject({
      ndjson: path.describe("The field with the address of a file that has one element per line: file:///… or s3://…"),
    }),
  ],
  "is not a list of elements; give the array's path, or \"ndjson:\" with the field that has a file's address",
);

export const targetSchema = z.strictObject({
  connector: z
    .string("is not a connector's name")
    .regex(
      /^[A-Za-z][A-Za-z0-9-]{0,47}(@v\d{1,4})?$/,
      "is not a connector's name such as PayrollConnector or WorkForceNow@v2",
    )
    .optional()
    .describe("The connector that delivers to this target: PayrollConnector, or WorkForceNow@v2."),
  publish: z
    .string("is not an event type")
    .min(1, "is empty; name the event type")
    .optional()
    .describe("Inbound: the type of the HMS event that is published."),
  from: instant.optional().describe("Events accepted before this time do not go to this target."),
  until: instant.optional().describe("Events accepted from this time on do not go to this target."),
  for_each: roster.optional(),
  key: path.optional().describe("The field that identifies the record; with for_each, a field of the element."),
  map: z.record(path, mapping, "is missing; give at least one field").optional(),
  set: z.record(path, z.json()).optional().describe("Fixed fields, sent with every change."),
  send: z.enum(["changed", "full"], 'is neither "changed" nor "full"').default("changed"),
  action: z.enum(["upsert", "delete"], 'is neither "upsert" nor "delete"').default("upsert"),
});

export const exampleSchema = z.strictObject({
  name: z.string("is missing; describe what the example shows"),
  event: z.looseObject({ type: z.string() }).describe("A source event; id, source and time are optional."),
  expect: z
    .record(z.string(), z.union([z.record(z.string(), z.json()), z.array(z.record(z.string(), z.json())), z.null()]))
    .describe("The expected fields per target: an object, a list of objects for for_each, or null for no packet."),
  files: z
    .record(z.string(), z.array(z.json()))
    .optional()
    .describe("The content of the files that the event refers to: by address, a list with one element per line."),
});

export const sheetSchema = z.strictObject({
  source_event: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)], "is missing; name the event type, or a list of them")
    .describe("The CloudEvents type of the source events, or a list of types."),
  when: expression.optional().describe("JSONata over the whole event; the sheet applies if it evaluates to true."),
  key: path
    .optional()
    .describe("The field that identifies the record that changed: data.policyId. Default: subject, else data.id."),
  consistency_window: duration.default("60s"),
  direction: z
    .enum(["outbound", "inbound"], 'is neither "outbound" nor "inbound"')
    .default("outbound")
    .describe("inbound: a message from an outside system becomes an HMS event."),
  targets: z.record(
    z.string().regex(/^[a-z][a-z0-9_-]{0,31}$/, "is not a target's name such as payroll"),
    targetSchema,
    "is missing; add at least one target",
  ),
  examples: z.array(exampleSchema).optional(),
});

/** Content of a sheet. It is stored by hash and compiled again when needed. */
export type SheetDocument = z.output<typeof sheetSchema>;
export type SheetExample = z.output<typeof exampleSchema>;

/** Returns the JSON Schema of a sheet, for completion and validation in an editor. */
export function sheetJsonSchema(): JsonObject {
  return {
    ...(z.toJSONSchema(sheetSchema, { io: "input", target: "draft-7" }) as JsonObject),
    title: "HMS Sync Bridge mapping sheet",
  };
}
