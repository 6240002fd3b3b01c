import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { type Home, home } from "../support/home.ts";
import { targetServer } from "../support/target-server.ts";

const root = join(import.meta.dirname, "..", "..");

/** Creates a folder with only the mapping sheets and the policy. */
function folder(): Home {
  const copy = home();
  cpSync(join(root, "mappings"), join(copy.path, "mappings"), { recursive: true });
  cpSync(join(root, "governance.yaml"), join(copy.path, "governance.yaml"));
  return copy;
}

async function run(file: string, cwd: string, env: Record<string, string> = {}, ...args: string[]) {
  const child = spawn(process.execPath, [resolve(root, file), ...args], {
    cwd,
    env: { ...process.env, NO_COLOR: "1", ...env },
  });
  let out = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  const [code] = (await once(child, "close")) as [number];
  return { code, lines: out.trim().split("\n") };
}

/** Replaces the parts of a line that differ between runs. */
function shapeOf(line: string): string {
  return line
    .replace(/pkt-[a-z2-7]{16}/, "pkt")
    .replace(/\d+ ms/, "ms")
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/, "time");
}

describe("a program without its own bridge", () => {
  test("pushes its events and exits", async () => {
    await using target = await targetServer();
    using cwd = home({ "bridge.yaml": `connectors: { WorkForceNow: { baseUrl: "${target.url}" } }\n` });
    cwd.write(
      "push.ts",
      `import { Connector, Event } from ${JSON.stringify(join(root, "index.ts"))};
       const hr = new Connector("WorkForceNow").map({ a: "alpha" });
       for (const a of [1, 2]) await hr.push(Event({ type: "t", subject: "e-1", data: { a } }));
       await Promise.all([3, 4].map((a) => hr.push(Event({ type: "t", subject: "e-" + a, data: { a } }))));
       console.log("pushed");`,
    );

    const { code, lines } = await run(join(cwd.path, "push.ts"), cwd.path);

    expect(lines).toEqual(["pushed"]);
    expect(code).toBe(0);
    expect(target.received).toHaveLength(4);
  });
});

describe("the quick starts", () => {
  test.each(["onrr-per-diem", "demo-brg", "telework-sync", "csv-flat-connector"])("%s is under 20 lines", (name) => {
    expect(
      readFileSync(join(root, "examples", `${name}.ts`), "utf8")
        .trimEnd()
        .split("\n").length,
    ).toBeLessThan(20);
  });

  // Starts a database, which takes 4 s of CPU time.
  test("onrr-per-diem sends one change to four systems, as the README shows", { timeout: 60_000 }, async () => {
    const readme = readFileSync(join(root, "README.md"), "utf8");
    const [, shown = ""] = /```\n(pkt-[^`]*What each system received\n[^`]*)```/.exec(readme) ?? [];

    const { code, lines } = await run("demo/example.ts", root, {}, "onrr-per-diem");

    expect(code).toBe(0);
    expect(lines.map(shapeOf)).toEqual(shown.trim().split("\n").map(shapeOf));
    const row = /pkt-\w{16}(?= → SENT audit)/.exec(lines.join("\n"))?.[0];
    expect(lines.at(-1)).toContain(`${row} about Denver, of 20`);
  });

  test("demo-brg sends the rate to both targets, and a replay changes nothing", async () => {
    await using target = await targetServer();
    using cwd = folder();

    const { code, lines } = await run("examples/demo-brg.ts", cwd.path, {
      PAYROLL_URL: target.url,
      GIS_URL: target.url,
    });

    expect(lines).toEqual([
      expect.stringMatching(/^pkt-[a-z2-7]{16} → SENT payroll@\/v2\/rates {2}\(\d+ ms\)$/),
      expect.stringMatching(/^pkt-[a-z2-7]{16} → SENT gis@\/tables\/rates\/rows\/per_diem {2}\(\d+ ms\)$/),
      expect.stringMatching(/^pkt-[a-z2-7]{16} → UNCHANGED payroll {2}/),
      expect.stringMatching(/^pkt-[a-z2-7]{16} → UNCHANGED gis {2}/),
    ]);
    expect(code).toBe(0);
    expect(target.received.map(({ method, path, body }) => [method, path, body]).sort()).toEqual([
      ["PATCH", "/v2/rates", { dailyRate: 68 }],
      ["PUT", "/tables/rates/rows/per_diem", { perDiemUSD: 68 }],
    ]);
  });

  test("telework-sync pushes each event of the stream once", async () => {
    await using target = await targetServer();
    using cwd = folder();

    const first = await run("examples/telework-sync.ts", cwd.path, { HR_URL: target.url });
    const second = await run("examples/telework-sync.ts", cwd.path, { HR_URL: target.url });

    expect(first).toEqual({ code: 0, lines: ["✅ synced policy_9ab34"] });
    expect(second).toEqual(first);
    expect(target.received.map(({ path, body }) => [path, body])).toEqual([
      [
        "/flex_time",
        {
          external_id: "policy_9ab34",
          flex_time: 16,
          policy_start: "2026-12-01",
          last_modified_by: "r.alvarez@agency.example",
        },
      ],
    ]);
  });

  test("csv-flat-connector writes its lines in order", async () => {
    using cwd = folder();

    const { code } = await run("examples/csv-flat-connector.ts", cwd.path);

    expect(code).toBe(0);
    expect(readFileSync(join(cwd.path, "rates.csv"), "utf8")).toBe("Denver,68\nBoston,68\n");
    expect(existsSync(join(cwd.path, ".bridge"))).toBe(false);
  });
});

test("the demo shows all steps, exits by itself, and its sums hold", async () => {
  const { code, lines } = await run("demo/demo.ts", root);

  const story = lines.join("\n");
  expect(story).toMatch(/→ SENT payroll@\/v2\/rates {2}\(\d+ ms\)/);
  expect(story.match(/→ QUEUED payroll {2}\(retry in /g)).toHaveLength(3);
  expect(story).toContain('{"dailyRate":68}  {"dailyRate":70}  {"dailyRate":72}  {"dailyRate":74}');
  expect(story).toContain('Payroll received {"dailyRateUSD":76}');
  expect(story).toMatch(/→ UNCHANGED/);
  expect(story).toContain("Calls to the targets caused by the replay: 0.");
  expect(story).toContain("Both sums hold: nothing was lost.");
  expect(code).toBe(0);
});
