import { spawn } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import net from "node:net";
import { join } from "node:path";
import tls from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { connector as oracleAudit } from "../../../../connectors/oracle-audit.ts";
import { connector as postgresqlAudit } from "../../../../connectors/postgresql-audit.ts";
import { connector as table } from "../../../../connectors/postgresql-table.ts";
import { oracle } from "../../../../connectors/protocols/sql/oracle.ts";
import { postgresql } from "../../../../connectors/protocols/sql/postgresql.ts";
import { outcomeOf } from "../../../../connectors/protocols/sql/session-pool.ts";
import { aPacket, aVersion } from "../../../support/builders.ts";
import { type Pair, selfSigned } from "../../../support/certificates.ts";
import { contextFor, postgres, postgresPrograms, type TestDatabase } from "../../../support/databases.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const login = { user: "hms_bridge", password: "open sesame" };
let count = 0;
const anAudit = () => aPacket({ id: `pkt-${count++}`, order: "strict" });

/** Sends one packet to the audit table of a database. */
function send(place: object, credentials: object = login, signal?: AbortSignal, audit = postgresqlAudit) {
  const config = audit.config.parse({ host: "127.0.0.1", database: "postgres", ...place });
  return audit.send(anAudit(), contextFor(config, audit.secret?.parse(credentials) as typeof login, signal));
}

describe("PostgreSQL error mapping", () => {
  test.each<[code: string, severity: string, kind: string, facts: object]>([
    ["22001", "ERROR", "refused", {}],
    ["22999", "ERROR", "refused", {}],
    ["23502", "ERROR", "refused", {}],
    ["23505", "ERROR", "refused", {}],
    ["23999", "ERROR", "refused", {}],
    ["P0001", "ERROR", "refused", {}],
    ["40001", "ERROR", "retry", { code: "answered" }],
    ["40P01", "ERROR", "retry", { code: "answered" }],
    ["55P03", "ERROR", "retry", { code: "answered" }],
    ["57014", "ERROR", "retry", { code: "answered" }],
    ["53100", "ERROR", "retry", { code: "answered" }],
    ["53300", "FATAL", "retry", { code: "no-answer" }],
    ["57P01", "FATAL", "retry", { code: "no-answer" }],
    ["57P03", "FATAL", "retry", { code: "no-answer" }],
    ["XX000", "ERROR", "retry", { code: "answered" }],
    ["28P01", "FATAL", "retry", { auth: true }],
    ["28000", "FATAL", "retry", { auth: true }],
    ["42P01", "ERROR", "retry", { code: "setup" }],
    ["42703", "ERROR", "retry", { code: "setup" }],
    ["42501", "ERROR", "retry", { code: "setup" }],
    ["25006", "ERROR", "retry", { code: "setup" }],
    ["3D000", "FATAL", "retry", { code: "setup" }],
  ])("maps %s with severity %s to %s", (code, severity, kind, facts) => {
    const issue = postgresql.classifyError(Object.assign(new Error('value "secret" is bad'), { code, severity }));

    expect(outcomeOf(issue, false)).toMatchObject({ kind, ...facts, reason: expect.stringContaining(code) });
    expect(issue.message).not.toContain("secret");
  });
});

describe("Oracle error mapping", () => {
  test.each<[message: string, kind: string, facts: object]>([
    ["ORA-00001: unique constraint (HR.EMPLOYEE_EMAIL) violated", "refused", { objectName: "HR.EMPLOYEE_EMAIL" }],
    ['ORA-01400: cannot insert NULL into ("HR"."EMPLOYEE"."NAME")', "refused", { objectName: "NAME" }],
    ['ORA-01407: cannot update ("HR"."EMPLOYEE"."NAME") to NULL', "refused", { objectName: "NAME" }],
    ['ORA-12899: value too large for column "HR"."EMPLOYEE"."NAME" (actual: 11, maximum: 10)', "refused", {}],
    ["ORA-02290: check constraint (HR.HOURS_SANE) violated", "refused", { objectName: "HR.HOURS_SANE" }],
    ["ORA-02291: integrity constraint (HR.UNIT_FK) violated - parent key not found", "refused", {}],
    ["ORA-01438: value larger than specified precision allowed for this column", "refused", {}],
    ["ORA-01722: invalid number", "refused", {}],
    ["ORA-20001: rows of hms_audit are never changed", "refused", {}],
    ["ORA-00060: deadlock detected while waiting for resource", "retry", { code: "answered" }],
    ["ORA-08177: can't serialize access for this transaction", "retry", { code: "answered" }],
    ["ORA-30006: resource busy; acquire with WAIT timeout expired", "retry", { code: "answered" }],
    ["ORA-01653: unable to extend table", "retry", { code: "answered" }],
    ["ORA-03113: end-of-file on communication channel", "retry", { code: "no-answer" }],
    ["ORA-12541: TNS:no listener", "retry", { code: "no-answer" }],
    ["ORA-01033: ORACLE initialization or shutdown in progress", "retry", { code: "no-answer" }],
    ["NJS-500: connection to the Oracle Database was broken", "retry", { code: "no-answer" }],
    ["NJS-123: call timeout of 4000 milliseconds exceeded", "retry", { code: "no-answer" }],
    ["ORA-01017: invalid username/password; logon denied", "retry", { auth: true }],
    ["ORA-28000: The account is locked.", "retry", { auth: true }],
    ["ORA-28001: The account has expired.", "retry", { auth: true }],
    ["ORA-00942: table or view does not exist", "retry", { code: "setup" }],
    ['ORA-00904: "NOPE": invalid identifier', "retry", { code: "setup" }],
    ["ORA-01031: insufficient privileges", "retry", { code: "setup" }],
    ["NJS-518: cannot connect to Oracle Database. Service x is not registered", "retry", { code: "setup" }],
    ["ORA-12514: Cannot connect to database. Service x is not registered", "retry", { code: "setup" }],
  ])("maps the error %s", (message, kind, { objectName, ...facts }: { objectName?: string }) => {
    const issue = oracle.classifyError(Object.assign(new Error(message), { code: message.split(":")[0] }));

    expect(outcomeOf(issue, false)).toMatchObject({ kind, ...facts, reason: expect.stringContaining(issue.code) });
    if (objectName) expect(issue.objectName).toBe(objectName);
  });
});

describe("Oracle statements", () => {
  test("merges a row with one statement and binds every value", () => {
    const columns = [
      { name: '"HOURS"', placeholder: oracle.placeholder(2, "number") },
      { name: '"START_ON"', placeholder: oracle.placeholder(3, "date") },
      { name: '"SEEN_AT"', placeholder: oracle.placeholder(4, "timestamp") },
    ];

    expect(
      oracle.upsert('"HR"."EMPLOYEE"', { name: '"ID"', placeholder: oracle.placeholder(1, "text") }, columns),
    ).toBe(
      `MERGE INTO "HR"."EMPLOYEE" t USING (SELECT :v1 AS k FROM dual) s ON (t."ID" = s.k) ` +
        `WHEN MATCHED THEN UPDATE SET t."HOURS" = :v2, t."START_ON" = TO_DATE(:v3, 'YYYY-MM-DD'), ` +
        `t."SEEN_AT" = FROM_TZ(TO_TIMESTAMP(:v4, 'YYYY-MM-DD"T"HH24:MI:SS.FF3"Z"'), 'UTC') ` +
        `WHEN NOT MATCHED THEN INSERT ("ID", "HOURS", "START_ON", "SEEN_AT") VALUES (s.k, :v2, ` +
        `TO_DATE(:v3, 'YYYY-MM-DD'), FROM_TZ(TO_TIMESTAMP(:v4, 'YYYY-MM-DD"T"HH24:MI:SS.FF3"Z"'), 'UTC'))`,
    );
  });

  test("quotes the bridge's own tables in the case that unquoted DDL names take", () => {
    expect(oracle.ownName("hms_bridge_inbox")).toBe('"HMS_BRIDGE_INBOX"');
    expect(postgresql.ownName("hms_bridge_inbox")).toBe('"hms_bridge_inbox"');
  });
});

describe("Oracle driver", () => {
  const toOracle = (port: number, more: object = {}, credentials?: object, signal?: AbortSignal) =>
    send({ port, database: "HMS", tls: false, ...more }, credentials, signal, oracleAudit);

  test.each([
    [12514, { code: "setup" }],
    [12505, { code: "setup" }],
    [12528, { code: "no-answer" }],
    [12520, { code: "no-answer" }],
  ])("asks for a retry if the listener refuses with %i", async (code, wanted) => {
    const port = await aServer((socket) => socket.once("data", () => socket.write(refusal(code))));

    expect(await toOracle(port)).toMatchObject({ kind: "retry", mayHaveLanded: false, ...wanted });
  });

  test.each<[string, (socket: net.Socket) => void]>([
    ["hangs up", (socket) => socket.destroy()],
    ["hangs up after a request", (socket) => socket.once("data", () => socket.destroy())],
    ["speaks HTTP", (socket) => socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n<html>"))],
    ["sends garbage", (socket) => socket.once("data", () => socket.end(Buffer.alloc(4_096, 0xff)))],
    ["stays silent", () => {}],
  ])("asks for a retry if the listener %s", async (_, talk) => {
    const port = await aServer(talk);
    const begun = performance.now();

    const outcome = await toOracle(port);

    expect(outcome).toMatchObject({ kind: "retry", code: "no-answer", mayHaveLanded: false });
    expect(performance.now() - begun).toBeLessThan(4_500);
  });

  test("asks for a retry if no listener is there", async () => {
    expect(await toOracle(1)).toMatchObject({ kind: "retry", code: "no-answer", mayHaveLanded: false });
  });

  test("gives up if the attempt's signal aborts", async () => {
    const port = await aServer(() => {});
    const over = new AbortController();

    const sending = toOracle(port, {}, login, over.signal);
    over.abort();

    expect(await sending).toMatchObject({ kind: "retry", code: "no-answer", mayHaveLanded: false });
  });

  test("accepts only a certificate for this host from a known authority", async () => {
    const mine = await selfSigned("127.0.0.1");
    const others = await selfSigned("db.agency.example");
    const [port, othersPort] = await Promise.all([mine, others].map((pair) => aTlsListener(pair)));

    expect(await toOracle(port as number, { tls: true })).toMatchObject({ reason: expect.stringContaining("NJS-506") });
    expect(await toOracle(othersPort as number, { tls: true }, { ...login, ca: others.cert })).toMatchObject({
      reason: expect.stringContaining("NJS-50"),
    });
    // TLS succeeded, because the listener itself refused the service.
    expect(await toOracle(port as number, { tls: true }, { ...login, ca: mine.cert })).toMatchObject({
      reason: expect.stringContaining("NJS-518"),
    });
  });
});

describe("PostgreSQL driver", () => {
  test.each<[string, (socket: net.Socket) => void]>([
    ["hangs up", (socket) => socket.destroy()],
    ["does not speak TLS", (socket) => socket.once("data", () => socket.write("N"))],
    ["answers an error instead of TLS", (socket) => socket.once("data", () => socket.write("E"))],
    ["speaks HTTP", (socket) => socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"))],
    ["stays silent", () => {}],
  ])("sends no credentials to a server that %s", async (_, talk) => {
    let received = "";
    const port = await aServer((socket) => {
      socket.on("data", (data) => {
        received += data.toString("latin1");
      });
      talk(socket);
    });
    const begun = performance.now();

    const outcome = await send({ port });

    expect(outcome).toMatchObject({ kind: "retry", code: "no-answer", mayHaveLanded: false });
    expect(received).not.toContain(login.user);
    expect(performance.now() - begun).toBeLessThan(4_500);
  });

  test("asks for a retry if no server is listening", async () => {
    expect(await send({ port: 1 })).toMatchObject({ kind: "retry", code: "no-answer", mayHaveLanded: false });
  });
});

const programs = postgresPrograms();

describe.skipIf(!programs)("PostgreSQL sessions (skipped without a server)", () => {
  let certificate: Pair;
  let db: TestDatabase;
  beforeAll(async () => {
    certificate = await selfSigned("127.0.0.1");
    db = await postgres(programs as string, certificate);
  });
  afterAll(() => db?.[Symbol.asyncDispose]());
  const trusting = () => ({ ...db.login, ca: certificate.cert });
  const sessionsNow = async () => {
    const [found] = await db.ask("SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = 'hms_bridge'");
    return found?.n;
  };

  test("accepts only a certificate for this host from a known authority", async () => {
    const { port } = db.place;

    expect(await send({ port }, trusting())).toMatchObject({ kind: "delivered" });
    expect(await send({ port }, db.login)).toMatchObject({ kind: "retry", mayHaveLanded: false });
    expect(await send({ port, host: "localhost" }, trusting())).toMatchObject({
      kind: "retry",
      reason: expect.stringContaining("ERR_TLS_CERT_ALTNAME_INVALID"),
    });
  });

  test("asks for fresh credentials after a wrong password and uses a rotated one", async () => {
    const { port } = db.place;
    await send({ port }, trusting());
    await db.ask("ALTER ROLE hms_bridge PASSWORD 'another'");
    try {
      expect(await send({ port }, { ...trusting(), password: "wrong" })).toMatchObject({ kind: "retry", auth: true });
      expect(await send({ port }, { ...trusting(), password: "another" })).toMatchObject({ kind: "delivered" });
    } finally {
      await db.ask(`ALTER ROLE hms_bridge PASSWORD '${db.login.password}'`);
    }
  });

  test("reuses sessions and closes idle ones", async () => {
    const { port } = db.place;
    for (let i = 0; i < 20; i++) await send({ port }, trusting());

    expect(await sessionsNow()).toBeLessThanOrEqual(3);
    await expect.poll(sessionsNow, { timeout: 15_000, interval: 200 }).toBe(0);
  });

  test("opens a new session after the server has ended one", async () => {
    const { port } = db.place;
    await send({ port }, trusting());
    await db.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'hms_bridge'");

    const outcomes = [];
    for (let i = 0; i < 3; i++) outcomes.push(await send({ port }, trusting()));

    for (const outcome of outcomes.slice(0, -1)) {
      if (outcome.kind !== "delivered") expect(outcome).toMatchObject({ kind: "retry", mayHaveLanded: false });
    }
    expect(outcomes.at(-1)).toMatchObject({ kind: "delivered" });
  });

  test("waits for a locked row only for a limited time", async () => {
    const { port } = db.place;
    const config = table.config.parse({
      ...{ host: "127.0.0.1", port, database: "postgres", table: "employee", key: "id" },
      columns: { name: { column: "name" } },
    });
    const change = (signal?: AbortSignal) =>
      table.send(
        aPacket({ id: `pkt-${count++}`, entity: "1", fields: { name: "x" } }),
        contextFor(config, trusting(), signal),
      );
    await change();
    await db.ask("BEGIN; SELECT 1 FROM hms_bridge_versions FOR UPDATE");
    try {
      expect(await change()).toMatchObject({
        kind: "retry",
        mayHaveLanded: false,
        reason: expect.stringContaining("55P03"),
      });
      const over = new AbortController();
      const sending = change(over.signal);
      setTimeout(() => over.abort(), 300);
      expect(await sending).toMatchObject({ kind: "retry", mayHaveLanded: false, code: "no-answer" });
    } finally {
      await db.ask("ROLLBACK");
    }
    await expect.poll(async () => (await change()).kind).toBe("delivered");
  });

  test("serializes two writers of one record so the older does not overwrite the newer", async () => {
    const config = table.config.parse({
      ...{ host: "127.0.0.1", port: db.place.port, database: "postgres", table: "employee", key: "id" },
      columns: { name: { column: "name" } },
    });
    const at = (time: number) => aVersion({ time });
    const change = (name: string, time: number) =>
      table.send(
        aPacket({ id: `pkt-${count++}`, entity: "2", fields: { name }, version: at(time) }),
        contextFor(config, trusting()),
      );
    await change("first", 1);

    const waiting = async () => (await db.ask("SELECT 1 FROM pg_locks WHERE NOT granted")).length;

    // The newer packet's transaction is open when the older packet's begins.
    await db.ask("BEGIN; SELECT 1 FROM employee WHERE id = 2 FOR UPDATE");
    const newer = change("newer", 9);
    await expect.poll(waiting).toBe(1);
    const older = change("older", 5);
    await expect.poll(waiting).toBe(2);
    await db.ask("COMMIT");

    expect(await newer).toMatchObject({ kind: "delivered" });
    expect(await older).toMatchObject({ kind: "delivered" });
    expect(await db.ask("SELECT name FROM employee WHERE id = 2")).toEqual([{ name: "newer" }]);
  });

  test("the audit login can only insert", async () => {
    const { Client } = await import("pg");
    const client = new Client({ ...db.login, host: "127.0.0.1", port: db.place.port, database: "postgres" });
    await client.connect();
    closing.push(() => client.end());

    for (const sql of [
      "SELECT * FROM hms_audit",
      "UPDATE hms_audit SET entity = 'x'",
      "DELETE FROM hms_audit",
      "TRUNCATE hms_audit",
    ]) {
      await expect(client.query(sql)).rejects.toThrow("permission denied");
    }
  });

  test("an idle session does not keep the process alive", async () => {
    const code = `
      import { connector } from ${JSON.stringify(join(import.meta.dirname, "../../../../connectors/postgresql-audit.ts"))};
      const { place, packet, login } = JSON.parse(process.argv[1]);
      const signal = new AbortController().signal;
      const outcome = await connector.send(packet, { config: connector.config.parse(place), secret: login, signal });
      console.log(outcome.kind, Date.now());`;
    const given = JSON.stringify({ place: db.place, packet: anAudit(), login: trusting() });
    const child = spawn(process.execPath, ["--input-type=module", "--eval", code, given], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString();
    });

    await once(child, "close");

    const [kind, at] = out.trim().split(" ");
    expect(kind).toBe("delivered");
    expect(Date.now() - Number(at)).toBeLessThan(3_000);
  });
});

async function aServer(talk: (socket: net.Socket) => void): Promise<number> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    talk(socket);
  });
  return listening(server, sockets);
}

/** Oracle listener over TLS that refuses every service as unknown. */
async function aTlsListener({ key, cert }: { key: string; cert: string }): Promise<number> {
  const sockets = new Set<net.Socket>();
  const server = tls.createServer({ key, cert }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).once("data", () => socket.write(refusal(12_514)));
  });
  server.on("tlsClientError", () => {});
  return listening(server, sockets);
}

async function listening(server: net.Server, sockets: Set<net.Socket>): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Encodes a listener's refusal (packet type 4). Source: the driver's own reader, lib/thin/sqlnet. */
function refusal(code: number): Buffer {
  const text = `(DESCRIPTION=(TMP=)(VSNNUM=0)(ERR=${code})(ERROR_STACK=(ERROR=(CODE=${code})(EMFI=4))))`;
  const packet = Buffer.alloc(12 + text.length);
  packet.writeUInt16BE(packet.length, 0);
  packet.writeUInt8(4, 4);
  packet.writeUInt16BE(text.length, 10);
  packet.write(text, 12, "latin1");
  return packet;
}
