import { oracle } from "./protocols/oracle.ts";
import { sqlAudit } from "./protocols/sql-audit.ts";

/** The frozen audit copy in the old Oracle database. */
export const connector = sqlAudit("OracleAuditConnector", oracle);
