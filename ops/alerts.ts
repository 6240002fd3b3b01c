import * as z from "zod";
import { endpoint } from "./endpoint.ts";
import { ProblemError } from "./problem.ts";
import { anyJson, limit, timeOut } from "./schemas.ts";

const alert = z
  .object({
    at: z.iso.datetime(),
    type: z.string().describe("`sync.target.down`"),
    subject: z.string().describe("What it is about: a connector, an event, or the ledger's chain."),
    data: z.record(z.string(), anyJson),
  })
  .meta({ id: "Alert" });

const listAlerts = endpoint({
  method: "get",
  path: "/api/alerts",
  id: "listAlerts",
  summary: "What HMS-OPS was told since the bridge was started, newest first",
  query: z.strictObject({ limit }),
  answer: z.object({ items: z.array(alert) }),
  problems: ["unavailable"],
  run({ ops: { alerts }, query: { limit } }) {
    if (!alerts) return new ProblemError("unavailable", "On AWS alerts go to the deployment's topic; see the runbook.");
    const items = alerts()
      .slice(-limit)
      .reverse()
      .map(({ at, ...told }) => ({ at: timeOut(at), ...told }));
    return { items };
  },
});

export const alertOperations = [listAlerts];
