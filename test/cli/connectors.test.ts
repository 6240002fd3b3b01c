import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { home } from "../support/home.ts";
import { projectCopy } from "../support/project-copy.ts";
import { bridge, bridgeFed } from "../support/serve.ts";

const login = { clientId: "hms", clientSecret: "hunter2" };

describe("bridge connectors new", () => {
  test.each([
    ["in TypeScript", [], "connectors/badge-office.ts"],
    ["in YAML", ["--yaml"], "connectors/badge-office.yaml"],
  ])(
    "creates %s one file and one test, which passes unchanged",
    (_, options, file) => {
      using project = projectCopy({}, { whole: true });
      const cli = (...args: string[]) =>
        spawnSync(process.execPath, ["cli/main.js", "connectors", ...args], { cwd: project.path, encoding: "utf8" });

      const created = cli("new", "BadgeOffice", ...options);
      const again = cli("new", "BadgeOffice", ...options);

      expect(created).toMatchObject({ status: 0, stdout: expect.stringContaining(file) });
      expect(again).toMatchObject({ status: 2, stderr: expect.stringContaining("already defines BadgeOffice") });
      const vitest = join(project.path, "node_modules/vitest/vitest.mjs");
      const ran = execFileSync(process.execPath, [vitest, "run", "test/connectors/badge-office.test.ts"], {
        cwd: project.path,
        encoding: "utf8",
        env: { ...process.env, NO_COLOR: "1" },
      });
      expect(ran).toMatch(/Tests\s+(2\d|3\d) passed/);
    },
    60_000,
  );

  test.each(["badge-office", "../x", "X", "Badge Office"])("rejects the name %s", async (name) => {
    using folder = home();

    const { code, err } = await bridge(folder.path, "connectors", "new", name);

    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining("is not a connector name") });
  });
});

describe("bridge connectors secret set", () => {
  test("keeps the secret readable by its owner only, next to the others, and prints none of it", async () => {
    using folder = home();
    const set = (input: unknown, name: string) =>
      bridgeFed(folder.path, JSON.stringify(input), "connectors", "secret", "set", name);
    const file = join(folder.path, ".bridge/secrets.json");

    const first = await set(login, "WorkForceNow@v1");
    const second = await set({ token: "t" }, "SchedulingConnector");
    const third = await set({ ...login, clientSecret: "hunter3" }, "WorkForceNow@v1");

    expect([first.code, second.code, third.code]).toEqual([0, 0, 0]);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({
      "WorkForceNow@v1": { clientId: "hms", clientSecret: "hunter3" },
      SchedulingConnector: { token: "t" },
    });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder.path, ".bridge")).mode & 0o777).toBe(0o700);
    expect(JSON.stringify([first, second, third])).not.toContain("hunter");
  });

  test.each<[string, string, string, RegExp]>([
    ["is not JSON", "WorkForceNow@v1", "hunter2", /not valid JSON/],
    ["lacks a key", "WorkForceNow@v1", '{"clientId":"hunter2"}', /WorkForceNow@v1 rejects this secret: clientSecret/],
    [
      "has an unknown key",
      "SchedulingConnector",
      '{"token":"hunter2","extra":"hunter2"}',
      /SchedulingConnector@v1 rejects/,
    ],
    ["does not fit every version of the name", "WorkForceNow", JSON.stringify(login), /WorkForceNow@v2 rejects/],
    ["is for a connector that takes none", "PayrollConnector", "{}", /PayrollConnector uses no secret/],
    ["is for an unknown connector", "NobodyConnector", "{}", /no connector is called NobodyConnector/],
  ])("refuses a secret that %s, without printing it", async (_, name, input, expected) => {
    using folder = home();

    const { code, err, out } = await bridgeFed(folder.path, input, "connectors", "secret", "set", name);

    expect(code).toBe(2);
    expect(err).toMatch(expected);
    expect(err + out).not.toContain("hunter");
    expect(existsSync(join(folder.path, ".bridge/secrets.json"))).toBe(false);
  });

  test("does not change a secrets file that others can read", async () => {
    using folder = home({ ".bridge/secrets.json": "{}" });
    const file = join(folder.path, ".bridge/secrets.json");
    chmodSync(file, 0o644);

    const { code, err } = await bridgeFed(
      folder.path,
      '{"token":"t"}',
      "connectors",
      "secret",
      "set",
      "SchedulingConnector",
    );

    expect({ code, err }).toEqual({ code: 3, err: expect.stringContaining("chmod 600") });
    expect(readFileSync(file, "utf8")).toBe("{}");
  });

  test("writes to the store given by --dir, and refuses --stack", async () => {
    using folder = home();
    const set = (...options: string[]) =>
      bridgeFed(folder.path, '{"token":"t"}', "connectors", "secret", "set", "SchedulingConnector", ...options);

    const named = await set("--dir", "elsewhere", "--json");
    const deployed = await set("--stack", "hms-bridge");

    expect(JSON.parse(named.out)).toEqual({ connector: "SchedulingConnector", file: "elsewhere/secrets.json" });
    expect(existsSync(join(folder.path, "elsewhere/secrets.json"))).toBe(true);
    expect(deployed).toMatchObject({ code: 2, err: expect.stringContaining("Secrets Manager as <deployment>/") });
  });

  test("accepts no secret on the command line", async () => {
    using folder = home();

    const { code } = await bridge(folder.path, "connectors", "secret", "set", "SchedulingConnector", '{"token":"t"}');

    expect(code).toBe(2);
  });
});

test("bridge connectors schema prints the schema of a declared connector", async () => {
  using folder = home();

  const { code, out } = await bridge(folder.path, "connectors", "schema");

  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ title: "HMS Sync Bridge declared connector" });
});

test("bridge sheets check reports a faulty connector declaration with file and line", () => {
  using project = projectCopy({ "connectors/bad.yaml": "name: Bad1\nbaseURL: https://x.example\n" }, { whole: true });

  const { status, stderr } = spawnSync(process.execPath, ["cli/main.js", "sheets", "check"], {
    cwd: project.path,
    encoding: "utf8",
  });

  expect(status).toBe(3);
  expect(stderr).toContain('connectors/bad.yaml:2: unknown key "baseURL"; did you mean "baseUrl"?');
});
