import { postgresql } from "./protocols/postgresql.ts";
import { sqlAudit } from "./protocols/sql-audit.ts";

/** A frozen audit copy in PostgreSQL. */
export const connector = sqlAudit("PostgresqlAuditConnector", postgresql);
