import * as z from "zod";
import { endpoint } from "./endpoint.ts";
import { ApiProblem } from "./problem.ts";
import { anyJson, limit, timeOut } from "./schemas.ts";

const alert = z
  .object({
    at: z.iso.datetime(),
    type: z.string().describe("The type of the alert: `sync.target.down`."),
    subject: z.string().describe("The connector, event or ledger chain that the alert concerns."),
    data: z.record(z.string(), anyJson),
  })
  .meta({ id: "Alert" });

const listAlerts = endpoint({
  method: "get",
  path: "/api/alerts",
  id: "listAlerts",
  summary: "Alerts sent to HMS-OPS since the bridge started, newest first",
  query: z.strictObject({ limit }),
  answer: z.object({ items: z.array(alert) }),
  problems: ["unavailable"],
  run({ ops: { alerts }, query: { limit } }) {
    if (!alerts)
      return new ApiProblem("unavailable", "On AWS, alerts go to the deployment's SNS topic. See docs/runbook.md.");
    const items = alerts()
      .slice(-limit)
      .reverse()
      .map(({ at, ...alert }) => ({ at: timeOut(at), ...alert }));
    return { items };
  },
});

export const alertOperations = [listAlerts];
