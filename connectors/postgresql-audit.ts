import { sqlAudit } from "./protocols/sql/audit-table.ts";
import { postgresql } from "./protocols/sql/postgresql.ts";

/** A frozen audit copy in PostgreSQL. */
export const connector = sqlAudit("PostgresqlAuditConnector", postgresql);
