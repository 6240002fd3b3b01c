import { connector } from "../../connectors/work-force-now.ts";
import { connectorContract } from "../support/connector-contract.ts";

connectorContract({
  connector,
  configure: (baseUrl) => ({ baseUrl }),
  fields: { flex_time: 16 },
  received: { method: "POST", path: "/flex_time", body: { flex_time: 16, external_id: "E-1001" } },
});
