-- Tables and grants that the bridge needs in an Oracle database (12.2 or later). Run this as the owner of the tables, which must not be
-- the bridge's login.

-- OracleAuditConnector: the audit copy. packet_id must be the only unique column: a row whose packet_id already exists is
-- not added again, and counts as written. From 19.11 on, prefer CREATE IMMUTABLE TABLE … NO DROP NO
-- DELETE.
CREATE TABLE hms_audit (
  packet_id   VARCHAR2(32 CHAR)  CONSTRAINT hms_audit_packet PRIMARY KEY,
  event_type  VARCHAR2(256 CHAR) NOT NULL,
  entity      VARCHAR2(500 CHAR) NOT NULL,
  action      VARCHAR2(16 CHAR)  NOT NULL,
  source      VARCHAR2(500 CHAR) NOT NULL,
  sequence    NUMBER,
  changed_at  TIMESTAMP WITH TIME ZONE NOT NULL,
  accepted    NUMBER(19)         NOT NULL, -- µs since the epoch: orders changes with the same time
  revision    NUMBER(10)         NOT NULL,
  fields      CLOB               NOT NULL CONSTRAINT hms_audit_fields CHECK (fields IS JSON),
  recorded_at TIMESTAMP WITH TIME ZONE DEFAULT SYSTIMESTAMP NOT NULL
);

CREATE OR REPLACE TRIGGER hms_audit_frozen BEFORE UPDATE OR DELETE ON hms_audit
BEGIN
  raise_application_error(-20001, 'rows of hms_audit are never changed');
END;
/

-- OracleTableConnector: the packets that were written, and the version of each field in a row.
CREATE TABLE hms_bridge_inbox (
  packet_id   VARCHAR2(32 CHAR) CONSTRAINT hms_bridge_inbox_packet PRIMARY KEY,
  received_at TIMESTAMP WITH TIME ZONE DEFAULT SYSTIMESTAMP NOT NULL
);
CREATE TABLE hms_bridge_versions (
  target   VARCHAR2(200 CHAR) NOT NULL,
  entity   VARCHAR2(500 CHAR) NOT NULL,
  versions CLOB               NOT NULL,
  CONSTRAINT hms_bridge_versions_row PRIMARY KEY (target, entity)
);

-- The bridge's login, created with: CREATE USER hms_bridge IDENTIFIED BY "…"; GRANT CREATE SESSION TO hms_bridge;
GRANT INSERT ON hms_audit TO hms_bridge;
GRANT INSERT ON hms_bridge_inbox TO hms_bridge;
GRANT SELECT, INSERT, UPDATE ON hms_bridge_versions TO hms_bridge;
-- For the table that it writes: GRANT SELECT, INSERT, UPDATE, DELETE ON employee TO hms_bridge;
-- For a table that it polls: GRANT SELECT ON rate_change TO hms_bridge;
