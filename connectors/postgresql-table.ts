import { postgresql } from "./protocols/sql/postgresql.ts";
import { sqlTable } from "./protocols/sql/upsert-table.ts";

/** A table of a PostgreSQL database. A second table is a second file like this one, with a name of its own. */
export const connector = sqlTable("PostgresqlTableConnector", postgresql);
