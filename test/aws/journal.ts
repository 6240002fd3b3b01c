/** Where the agency keeps its rosters. */
export const rosterPlace = "s3://agency-rosters/telework/";

/**
 * A connector and three sheets such as an agency adds, a file each. They take the ways that none of the bridge's own
 * takes: strict order, a secret, and events that make so many packets that they go back through the inbox in chunks,
 * one with its roster in itself, one with its roster in a file.
 */
export const journalFiles: Readonly<Record<string, string>> = {
  "connectors/journal.ts": `import * as z from "zod";
import { defineConnector } from "../bridge/connector.ts";
import { nest } from "../bridge/path.ts";
import { joinUrl } from "./protocols/http.ts";

/** An audit office's journal: every entry, in order. */
export const connector = defineConnector({
  name: "JournalConnector",
  order: "strict",
  idempotent: true,
  config: z.strictObject({ baseUrl: z.url().default("https://journal.example/api") }),
  secret: z.object({ token: z.string() }),
  send: (packet, { config, secret, http, signal }) =>
    http.deliver({
      method: "POST",
      url: joinUrl(config.baseUrl, "entries"),
      json: nest(packet.fields),
      headers: { authorization: \`Bearer \${secret.token}\` },
      idempotencyKey: packet.id,
      signal,
    }),
  probe: ({ config, http, signal }) => http.isAwake(config.baseUrl, signal),
});
`,
  "mappings/roster.yaml": `# A new roster is a packet an employee.
source_event: roster.published
targets:
  hr:
    connector: WorkForceNow
    for_each: data.employees
    key: number
    map:
      hours: flex_time
`,
  "mappings/telework_roster.yaml": `# An approval for many is a packet a line of its roster.
source_event: TeleworkApproved
targets:
  hr:
    connector: WorkForceNow
    for_each: { ndjson: data.rosterUri }
    key: employeeId
    map:
      teleworkHours: flex_time
`,
  "mappings/journal.yaml": `# Every change of a grade is an entry of its own.
source_event: grade.changed
key: data.employee
targets:
  journal:
    connector: JournalConnector
    map:
      employee: subject_ref
      grade: grade
`,
};
