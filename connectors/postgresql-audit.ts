import { auditTableConnector } from "./protocols/sql/audit-table.ts";
import { postgresql } from "./protocols/sql/postgresql.ts";

/** Connector to an append-only audit table in PostgreSQL. */
export const connector = auditTableConnector("PostgresqlAuditConnector", postgresql);
