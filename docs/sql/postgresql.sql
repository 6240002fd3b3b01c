-- Tables and grants that the bridge needs in a PostgreSQL database (15 or later). Run this as the owner of the tables, which must not be
-- the bridge's login.

-- PostgresqlAuditConnector: the audit copy. packet_id must be the only unique column: a row whose packet_id already exists is
-- not added again, and counts as written.
CREATE TABLE hms_audit (
  packet_id   varchar(32)  PRIMARY KEY,
  event_type  varchar(256) NOT NULL,
  entity      text         NOT NULL,
  action      varchar(16)  NOT NULL,
  source      text         NOT NULL,
  sequence    numeric,
  changed_at  timestamptz  NOT NULL,
  accepted    bigint       NOT NULL, -- µs since the epoch: orders changes with the same time
  revision    integer      NOT NULL,
  fields      json         NOT NULL,
  recorded_at timestamptz  NOT NULL DEFAULT now()
);

CREATE FUNCTION hms_audit_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON hms_audit
  FOR EACH STATEMENT EXECUTE FUNCTION hms_audit_frozen();
ALTER TABLE hms_audit ENABLE ALWAYS TRIGGER frozen;

-- PostgresqlTableConnector: the packets that were written, and the version of each field in a row.
CREATE TABLE hms_bridge_inbox (
  packet_id   varchar(32) PRIMARY KEY,
  received_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE hms_bridge_versions (
  target   varchar(200) NOT NULL,
  entity   varchar(500) NOT NULL,
  versions text         NOT NULL,
  PRIMARY KEY (target, entity)
);

-- The bridge's login, created with: CREATE ROLE hms_bridge LOGIN PASSWORD '…';
REVOKE ALL ON hms_audit, hms_bridge_inbox, hms_bridge_versions FROM PUBLIC;
GRANT INSERT ON hms_audit, hms_bridge_inbox TO hms_bridge;
GRANT SELECT, INSERT, UPDATE ON hms_bridge_versions TO hms_bridge;
-- For the table that it writes: GRANT SELECT, INSERT, UPDATE, DELETE ON employee TO hms_bridge;
-- For a table that it polls: GRANT SELECT ON rate_change TO hms_bridge;
