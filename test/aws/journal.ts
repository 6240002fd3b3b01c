/**
 * A connector and two sheets such as an agency adds, a file each. They take the ways that none of the bridge's own
 * takes: strict order, a secret, and an event that makes so many packets that it goes back through the inbox in chunks.
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
