import { auditTableConnector } from "./protocols/sql/audit-table.ts";
import { oracle } from "./protocols/sql/oracle.ts";

/** Connector to the append-only audit table in the legacy Oracle database. */
export const connector = auditTableConnector("OracleAuditConnector", oracle);
