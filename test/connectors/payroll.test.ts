import { connector } from "../../connectors/payroll.ts";
import { connectorContract } from "../support/connector-contract.ts";

connectorContract({
  connector,
  configure: (baseUrl) => ({ baseUrl }),
  fields: { dailyRate: 68 },
  received: { method: "PATCH", path: "/v2/rates", body: { dailyRate: 68 } },
});
