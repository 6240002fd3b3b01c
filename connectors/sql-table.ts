import { sqlTable } from "./protocols/sql-table.ts";

/** A table of the agency's own database. A second table is a second file like this one, with a name of its own. */
export const connector = sqlTable("SqlTableConnector");
