import { oracle } from "./protocols/sql/oracle.ts";
import { sqlTable } from "./protocols/sql/upsert-table.ts";

/** A table of an Oracle database. A second table is a second file like this one, with a name of its own. */
export const connector = sqlTable("OracleTableConnector", oracle);
