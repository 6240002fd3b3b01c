import { sqlAudit } from "./protocols/sql/audit-table.ts";
import { oracle } from "./protocols/sql/oracle.ts";

/** The frozen audit copy in the old Oracle database. */
export const connector = sqlAudit("OracleAuditConnector", oracle);
