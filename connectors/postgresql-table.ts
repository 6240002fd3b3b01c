import { postgresql } from "./protocols/sql/postgresql.ts";
import { upsertTableConnector } from "./protocols/sql/upsert-table.ts";

/** Connector to one table of a PostgreSQL database. For a second table, copy this file and change the name. */
export const connector = upsertTableConnector("PostgresqlTableConnector", postgresql);
