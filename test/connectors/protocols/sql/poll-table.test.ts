import { readFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Connector, Context, Polled } from "../../../../bridge/model/connector.ts";
import { connector as inOracle } from "../../../../connectors/oracle-table.ts";
import { connector as inPostgresql } from "../../../../connectors/postgresql-table.ts";
import type { Bind } from "../../../../connectors/protocols/sql/dialect.ts";
import { oracle } from "../../../../connectors/protocols/sql/oracle.ts";
import { pollTable } from "../../../../connectors/protocols/sql/poll-table.ts";
import { SessionPool } from "../../../../connectors/protocols/sql/session-pool.ts";
import { Bridge } from "../../../../index.ts";
import { aMemory } from "../../../support/attempt-context.ts";
import { contextFor, onEachDatabase, pglite, type TestDatabase } from "../../../support/databases.ts";
import { hostile } from "../../../support/hostile-sql.ts";
import { targetServer } from "../../../support/target-server.ts";

/** Change table as an agency might have it. In Oracle its names become upper case. */
const ddl = {
  postgresql: `CREATE TABLE rate_change (id varchar(200) PRIMARY KEY, seq bigint, changed_at timestamptz, local_at timestamp,
    city text, rate numeric(30,8), open boolean, starts date, extra json)`,
  oracle: `CREATE TABLE rate_change (id VARCHAR2(200) PRIMARY KEY, seq NUMBER(38), changed_at TIMESTAMP(9) WITH TIME ZONE,
    local_at TIMESTAMP(6), city VARCHAR2(200), rate NUMBER, open NUMBER(1), starts DATE, extra CLOB)`,
};

const columns = {
  city: { column: "city" },
  "rate.usd": { column: "rate", type: "number" },
  open: { column: "open", type: "boolean" },
  starts: { column: "starts", type: "date" },
  seen: { column: "local_at", type: "timestamp" },
  extra: { column: "extra", type: "json" },
};
const poll = { table: "rate_change", watermark: "changed_at", key: "id", columns };

function upperCaseNames<T>(value: T): T {
  const upper = (text: string) => text.toUpperCase();
  return JSON.parse(JSON.stringify(value), (name, inner) =>
    ["table", "watermark", "key", "column"].includes(name) && typeof inner === "string" ? upper(inner) : inner,
  ) as T;
}

onEachDatabase("table polling", (database, name) => {
  const connector = (name === "Oracle" ? inOracle : inPostgresql) as Connector;
  const at = (time: string) => (name === "Oracle" ? `TIMESTAMP '${time} +00:00'` : `TIMESTAMPTZ '${time}Z'`);
  const insert = (id: string, time: string, more = "") =>
    database().ask(
      `INSERT INTO rate_change (id, changed_at${more && ", seq"}) VALUES ('${id}', ${at(time)}${more && `, ${more}`})`,
    );

  /** Polls the table with a state that lasts over several polls. */
  function tablePoller(change: object = {}, place: Partial<TestDatabase["place"]> = {}) {
    const { place: here, login } = database();
    const config = { ...here, ...place, table: "t", key: "k", columns: { a: { column: "a" } } };
    const polled = { ...poll, ...change };
    const given = { ...config, poll: name === "Oracle" ? upperCaseNames(polled) : polled };
    const memory = aMemory();
    const context = { ...contextFor(connector.config.parse(given), login), memory } as Context<unknown, unknown>;
    const ask = async () => {
      const answer = await connector.poll?.(context);
      if (!answer || "reason" in answer) throw new Error(answer?.reason);
      return answer;
    };
    return { ask, memory, context };
  }

  /** Returns all messages, page by page, and confirms each page as taken. */
  async function all({ ask }: ReturnType<typeof tablePoller>): Promise<Polled["messages"][number][]> {
    const pages: Polled["messages"][number][] = [];
    for (let more = true; more; ) {
      const page = await ask();
      await page.taken();
      pages.push(...page.messages);
      more = page.more ?? false;
    }
    return pages;
  }

  beforeAll(async () => {
    await database()
      .ask("DROP TABLE rate_change")
      .catch(() => {});
    await database().ask(ddl[database().dialect]);
    if (name === "PostgreSQL") await database().ask("GRANT SELECT ON rate_change TO hms_bridge");
  });
  beforeEach(() => database().ask("DELETE FROM rate_change"));

  test("returns each row once for every page size among rows with equal watermarks", async () => {
    const times = ["2026-03-01 12:00:00.000001", "2026-03-01 12:00:00.000002", "2026-03-01 12:00:00.1"];
    for (let i = 0; i < 21; i++) await insert(`row-${String(i).padStart(2, "0")}`, times[Math.floor(i / 7)] as string);

    for (const page of [1, 2, 3, 7, 20, 21, 22]) {
      const messages = await all(tablePoller({ page }));
      expect(messages).toHaveLength(21);
      expect(new Set(messages.map(({ id }) => id)).size).toBe(21);
    }
  });

  test("returns later rows even with an equal watermark, and nothing if there are none", async () => {
    const poller = tablePoller();
    await insert("b", "2026-03-01 12:00:00");
    expect(await all(poller)).toHaveLength(1);
    expect(await all(poller)).toEqual([]);

    await insert("c", "2026-03-01 12:00:00");
    await insert("a", "2026-03-01 12:00:01");

    expect(await all(poller)).toHaveLength(2);
  });

  test("returns the same messages with the same ids until they are confirmed as taken", async () => {
    await insert("a", "2026-03-01 12:00:00");
    await insert("b", "2026-03-01 12:00:00");
    const poller = tablePoller();

    const once = await poller.ask();
    const again = await poller.ask();

    expect(again.messages).toEqual(once.messages);
    expect(once.messages).toHaveLength(2);
  });

  test("returns a row with a new watermark under a new id", async () => {
    const poller = tablePoller();
    await insert("a", "2026-03-01 12:00:00");
    const [first] = await all(poller);
    await database().ask(`UPDATE rate_change SET changed_at = ${at("2026-03-01 12:00:05")}`);

    const [second] = await all(poller);

    expect(second?.id).not.toBe(first?.id);
    expect(second?.at).toBe(Date.parse("2026-03-01T12:00:05Z"));
  });

  test("does not read a row while an earlier row may still be committed", async () => {
    await database().ask("INSERT INTO rate_change (id, changed_at) VALUES ('new', CURRENT_TIMESTAMP)");

    expect((await tablePoller({ settleSeconds: 99 }).ask()).messages).toEqual([]);
    expect((await tablePoller({ settleSeconds: 0 }).ask()).messages).toHaveLength(1);
  });

  test("returns each value in its configured type and an empty column as null", async () => {
    const [yes, json] = name === "Oracle" ? ["1", `'{"a":[1]}'`] : ["true", `'{"a":[1]}'`];
    await database().ask(`INSERT INTO rate_change (id, changed_at, local_at, city, rate, open, starts, extra) VALUES
      ('a', ${at("2026-03-01 12:00:00")}, TIMESTAMP '2026-03-01 07:00:00.25', 'Zoë''s', 68.125, ${yes}, DATE '2026-12-01', ${json})`);
    await insert("b", "2026-03-01 12:00:01");

    const [full, empty] = await all(tablePoller());

    expect(full?.data).toMatchObject({ city: "Zoë's", rate: { usd: 68.125 }, open: true, starts: "2026-12-01" });
    expect(Date.parse(String(full?.data.seen))).toBe(Date.parse("2026-03-01T07:00:00.25Z"));
    expect(full?.data.extra).toEqual({ a: [1] });
    expect(empty?.data).toEqual({ city: null, rate: { usd: null }, open: null, starts: null, seen: null, extra: null });
  });

  test("accepts whole numbers beyond JavaScript's safe range as watermarks", async () => {
    for (const n of [1, 2, 3]) await insert(`row-${n}`, "2026-03-01 12:00:00", `900719925474099${n}`);
    const byNumber = { watermark: "seq", type: "number", page: 1 };

    expect(await all(tablePoller(byNumber))).toHaveLength(3);
    expect(await all(tablePoller({ ...byNumber, since: "9007199254740992" }))).toHaveLength(2);
  });

  test("reads a watermark without a time zone as UTC", async () => {
    await database().ask("INSERT INTO rate_change (id, local_at) VALUES ('a', TIMESTAMP '2026-03-01 12:00:00.000001')");
    await database().ask("INSERT INTO rate_change (id, local_at) VALUES ('b', TIMESTAMP '2026-03-01 12:00:00.000002')");

    const messages = await all(tablePoller({ watermark: "local_at", page: 1, since: "2026-03-01T12:00:00.000001Z" }));

    expect(messages.map((message) => message.at)).toEqual(Array(2).fill(Date.parse("2026-03-01T12:00:00Z")));
  });

  test("skips rows without a watermark and begins at `since`", async () => {
    await database().ask("INSERT INTO rate_change (id) VALUES ('none')");
    await insert("old", "2026-03-01 12:00:00");
    await insert("new", "2026-03-02 12:00:00");

    expect(await all(tablePoller({ since: "2026-03-02T00:00:00Z" }))).toHaveLength(1);
    expect(await all(tablePoller())).toHaveLength(2);
  });

  test("reads from the beginning if the stored position belongs to another table", async () => {
    await insert("a", "2026-03-01 12:00:00");
    const poller = tablePoller();
    poller.memory.value = { of: "another", mark: "2027-01-01T00:00:00Z", key: "z" };

    expect(await all(poller)).toHaveLength(1);
  });

  test("treats a hostile key as a plain value", async () => {
    for (const [i, text] of hostile.entries()) {
      const id = text.replaceAll("\0", "").replaceAll("'", "''").slice(0, 100);
      await insert(`${i}${id}`, "2026-03-01 12:00:00");
    }

    expect(await all(tablePoller({ page: 1 }))).toHaveLength(hostile.length);
  });

  test("reports why polling fails", async () => {
    const poll = (change: object, place = {}) => connector.poll?.(tablePoller(change, place).context);

    expect(await poll({ table: "not_there" })).toMatchObject({
      reason: expect.stringContaining("a table does not exist"),
    });
    expect(await poll({ columns: { a: { column: "not_there" } } })).toMatchObject({
      reason: expect.stringContaining("a configured column does not exist"),
    });
    expect(await poll({}, { port: 1 })).toMatchObject({ reason: expect.stringMatching(/connection|reached/) });
  });

  test.skipIf(name === "PGlite")("asks for fresh credentials if they are refused", async () => {
    const { context } = tablePoller();
    const refused = { ...context, secret: { user: "hms_bridge", password: "wrong" } };

    expect(await connector.poll?.(refused)).toMatchObject({ auth: true });
  });
});

describe("poll configuration", () => {
  const given = { host: "localhost", tls: false, database: "x", table: "t", key: "k", columns: { a: { column: "a" } } };

  test("polls only if poll is configured", () => {
    expect(inPostgresql.polls?.(inPostgresql.config.parse(given))).toBe(false);
    expect(inPostgresql.polls?.(inPostgresql.config.parse({ ...given, poll }))).toBe(true);
  });

  test.each([
    [{ table: "rates; DROP TABLE x" }, /not a name of/],
    [{ watermark: 'a"b' }, /not a name of/],
    [{ columns: {} }, /names no column/],
    [{ since: "yesterday" }, /a time in UTC/],
    [{ type: "number", since: "1 OR 1=1" }, /a whole number/],
    [{ settleSeconds: 100 }, /settleSeconds/],
    [{ stray: 1 }, /stray/],
  ])("rejects %j", (change, issue) => {
    const parsed = inPostgresql.config.safeParse({ ...given, poll: { ...poll, ...change } });

    expect(parsed.error?.message).toMatch(issue);
  });
});

test("the Oracle dialect reads a page with one statement and bound values", async () => {
  const ran: { sql: string; binds: readonly Bind[] }[] = [];
  const session = {
    ...{ begin: async () => {}, commit: async () => {}, rollback: async () => {}, insert: async () => true },
    ...{ keepAlive() {}, destroy() {} },
    async run(sql: string, binds: readonly Bind[] = []) {
      ran.push({ sql, binds });
      return { count: 0, rows: [] };
    },
  };
  const pool = new SessionPool({ ...oracle, connect: async () => session });
  const columns = { city: { column: "CITY" }, rate: { column: "RATE", type: "number" } };
  const given = { host: "localhost", tls: false, database: "x", table: "T", key: "K", columns: { a: { column: "A" } } };
  const config = inOracle.config.parse({ ...given, schema: "HMS", poll: { ...upperCaseNames(poll), columns } });
  const memory = aMemory({
    of: '["HMS","RATE_CHANGE","CHANGED_AT"]',
    mark: "2026-03-01T12:00:00.000000001Z",
    key: "'7",
  });

  await pollTable(pool, { ...contextFor(config, { user: "u", password: "p" }), memory });

  const at = `FROM_TZ(TO_TIMESTAMP(:v1, 'YYYY-MM-DD"T"HH24:MI:SS.FF9"Z"'), 'UTC')`;
  expect(ran).toEqual([
    {
      sql: [
        `SELECT TO_CHAR(SYS_EXTRACT_UTC(CAST("CHANGED_AT" AS TIMESTAMP(9) WITH TIME ZONE)), 'YYYY-MM-DD"T"HH24:MI:SS.FF9"Z"'),`,
        `TO_CHAR("ID"), "CITY", TO_CHAR("RATE", 'TM9', 'NLS_NUMERIC_CHARACTERS=''.,''') FROM "HMS"."RATE_CHANGE"`,
        `WHERE "CHANGED_AT" IS NOT NULL AND "CHANGED_AT" <= CURRENT_TIMESTAMP - INTERVAL '10' SECOND`,
        `AND "CHANGED_AT" >= ${at} AND ("CHANGED_AT" > ${at} OR "ID" > :v2)`,
        `ORDER BY "CHANGED_AT", "ID" FETCH FIRST 500 ROWS ONLY`,
      ].join(" "),
      binds: [
        { type: "text", value: "2026-03-01T12:00:00.000000001Z" },
        { type: "text", value: "'7" },
      ],
    },
  ]);
});

describe("table polling through the whole bridge", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await pglite();
    await database.ask(ddl.postgresql);
  });
  afterAll(() => database[Symbol.asyncDispose]());

  test("delivers the later of two rows for one city", async () => {
    await using gis = await targetServer();
    process.env.BRIDGE_SECRET_POSTGRESQLTABLECONNECTOR = JSON.stringify(database.login);
    await using bridge = new Bridge({
      dir: ":memory:",
      mappings: [
        { file: "rate-office.yaml", text: readFileSync("examples/sheets/rate-office.yaml", "utf8") },
        {
          file: "rate-map.yaml",
          text: "{ source_event: policy.per_diem.updated, key: subject, targets: { gis: { connector: GISTableConnector, map: { new_rate: usd } } } }",
        },
      ],
      connectors: {
        GISTableConnector: { baseUrl: gis.url },
        PostgresqlTableConnector: {
          ...database.place,
          ...{ table: "t", key: "k", columns: { a: { column: "a" } } },
          poll: { ...poll, columns: { city: { column: "city" }, rate: { column: "rate", type: "number" } } },
        },
      },
      times: { pollMs: 100, tickMs: 50 },
    });
    await database.ask(`INSERT INTO rate_change (id, changed_at, city, rate) VALUES
      ('1', TIMESTAMPTZ '2026-03-01 12:00:00Z', 'Denver', 68), ('2', TIMESTAMPTZ '2026-03-01 12:00:00Z', 'Denver', 70)`);
    await bridge.open();

    await expect.poll(() => gis.received.at(-1)?.body, { timeout: 10_000 }).toEqual({ usd: 70 });

    expect(gis.received.at(-1)?.path).toBe("/tables/rates/rows/Denver");
    delete process.env.BRIDGE_SECRET_POSTGRESQLTABLECONNECTOR;
  });
});
