import { connector } from "../../connectors/gis-table.ts";
import { connectorContract } from "../support/connector-contract.ts";

connectorContract({
  connector,
  configure: (baseUrl) => ({ baseUrl }),
  fields: { perDiemUSD: 68 },
  received: { method: "PUT", path: "/tables/rates/rows/E-1001", body: { perDiemUSD: 68 } },
});
