import { oracle } from "./protocols/sql/oracle.ts";
import { upsertTableConnector } from "./protocols/sql/upsert-table.ts";

/** Connector to one table of an Oracle database. For a second table, copy this file and change the name. */
export const connector = upsertTableConnector("OracleTableConnector", oracle);
