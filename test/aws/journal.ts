/** URL of the agency's folder for rosters. */
export const rosterPlace = "s3://agency-rosters/telework/";

/**
 * Files of a connector and of sheets such as an agency adds. They cover features that no built-in connector or sheet
 * uses: strict order, a secret, a consistency window of a second, and events that are expanded in chunks, with the
 * roster in the event or in a file. Payroll and the journal also send data: payroll by webhook, the journal by polling.
 */
export const journalFiles: Readonly<Record<string, string>> = {
  "connectors/journal.ts": `import * as z from "zod";
import { defineConnector } from "../bridge/model/connector.ts";
import { nest } from "../bridge/values/field-path.ts";
import { joinUrl } from "./protocols/http/client.ts";

const news = z.array(z.object({ id: z.string(), at: z.number(), data: z.record(z.string(), z.json()) }));

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
  async poll({ config, secret, http, signal }) {
    const url = joinUrl(config.baseUrl, "news");
    const headers = { authorization: \`Bearer \${secret.token}\` };
    const { body } = await http.request({ method: "GET", url, headers, signal });
    const messages = news.parse(JSON.parse(body));
    const taken = async () => {
      if (messages.length > 0) await http.request({ method: "DELETE", url, headers, signal });
    };
    return { messages, taken };
  },
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
  journal:
    connector: JournalConnector
    for_each: data.employees
    key: number
    map:
      grade: grade
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
consistency_window: 1s
targets:
  journal:
    connector: JournalConnector
    map:
      employee: subject_ref
      grade: grade
`,
  "mappings/payroll_back.yaml": `# Payroll corrects a rate.
direction: inbound
source_event: inbound.PayrollConnector
when: data.kind = "rate"
targets:
  hms:
    publish: policy.per_diem.updated
    map: { dailyRate: new_rate }
`,
  "mappings/journal_back.yaml": `# The journal's office approves telework.
direction: inbound
source_event: inbound.JournalConnector
key: data.policy
targets:
  hms:
    publish: PolicyApproved
    map: { policy: id, hours: teleworkHours, from: effectiveDate }
    set: { category: Telework }
`,
};
