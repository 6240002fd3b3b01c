import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { run } from "../../infra/deploy.ts";
import { type AppConfigServer, appConfigServer, places } from "../support/appconfig-server.ts";
import { home } from "../support/home.ts";

const sheet = (to = "dailyRate", connector = "PayrollConnector") => `source_event: rate.changed
key: data.id
targets:
  payroll:
    connector: ${connector}
    map:
      rate: ${to}
`;

const folder = (text = sheet()) => home({ "mappings/rate.yaml": text, "governance.yaml": "otherwise: block\n" });

/** How a rollout goes that an alarm takes back. */
const takenBack = [
  { state: "DEPLOYING", percent: 0 },
  { state: "DEPLOYING", percent: 20 },
  {
    state: "ROLLING_BACK",
    percent: 20,
    events: [
      { EventType: "DEPLOYMENT_STARTED", TriggeredBy: "USER", Description: "Deployment started" },
      { EventType: "ROLLBACK_STARTED", TriggeredBy: "CLOUDWATCH_ALARM", Description: "alarm:mapper-failing" },
    ],
  },
  {
    state: "ROLLED_BACK",
    percent: 0,
    events: [
      { EventType: "PERCENTAGE_UPDATED", TriggeredBy: "APPCONFIG", Description: "Deployed to 20% of targets" },
      { EventType: "ROLLBACK_STARTED", TriggeredBy: "CLOUDWATCH_ALARM", Description: "alarm:mapper-failing" },
    ],
  },
] as const;

const inStages = [
  { state: "DEPLOYING", percent: 0 },
  { state: "DEPLOYING", percent: 60 },
  { state: "BAKING", percent: 100 },
  { state: "BAKING", percent: 100 },
  { state: "COMPLETE", percent: 100 },
] as const;

let server: AppConfigServer;
let printed: string[];
let errors: string[];
/** What was waited for, in ms. */
let waits: number[];

beforeEach(async () => {
  server = await appConfigServer();
  server.parameters.set("/hms-bridge/sheets", JSON.stringify({ ...places, connectors: ["PayrollConnector@v1"] }));
  vi.stubEnv("AWS_ENDPOINT_URL", server.url);
  vi.stubEnv("AWS_REGION", "us-gov-west-1");
  vi.stubEnv("AWS_ACCESS_KEY_ID", "test");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "test");
  vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
  vi.stubEnv("AWS_CONFIG_FILE", "/dev/null");
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
  [printed, errors, waits] = [[], [], []];
  vi.spyOn(console, "log").mockImplementation((line) => printed.push(line));
  vi.spyOn(console, "error").mockImplementation((line) => errors.push(line));
});

afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await server[Symbol.asyncDispose]();
});

/** `npm run deploy:mappings`, with the folder of a test. */
function ship(at: { readonly path: string }, ...args: string[]): Promise<number> {
  return run(["mappings", "--mappings", `${at.path}/mappings`, ...args], async (ms) => {
    waits.push(ms);
  });
}

/** What the call that begins a rollout carried. */
function started(): Record<string, unknown>[] {
  return server.bodies.filter(({ call }) => call === "StartDeployment").map(({ body }) => JSON.parse(body));
}

describe("deploy:mappings", () => {
  it("ships the first sheets of all at once: nothing is in force that a slow rollout would protect", async () => {
    using at = folder();

    expect(await ship(at)).toBe(0);
    expect(JSON.parse(server.inForce() ?? "").sheets[0].document.targets.payroll.map).toEqual({ rate: "dailyRate" });
    expect(started()).toMatchObject([{ DeploymentStrategyId: "atonce1", KmsKeyIdentifier: places.key }]);
  });

  it("ships in stages, tells how it goes on, and ends when rollout and watch have ended", async () => {
    using at = folder();
    await ship(at);
    at.write("mappings/rate.yaml", sheet("rate"));
    server.rollout = inStages;

    expect(await ship(at)).toBe(0);
    expect(started().at(-1)).toMatchObject({ DeploymentStrategyId: "staged1" });
    expect(printed.filter((line) => / % {2}/.test(line)).slice(1)).toEqual([
      "  0 %  deploying",
      " 60 %  deploying",
      "100 %  baking",
      "100 %  complete",
    ]);
    expect(waits.slice(-5)).toEqual([3_000, 3_000, 3_000, 3_000, 30_000]);
    expect(printed.at(-1)).toBe("in force");
  });

  it("--now ships at once", async () => {
    using at = folder();
    await ship(at);
    at.write("mappings/rate.yaml", sheet("rate"));

    expect(await ship(at, "--now")).toBe(0);
    expect(started().map(({ DeploymentStrategyId }) => DeploymentStrategyId)).toEqual(["atonce1", "atonce1"]);
  });

  it("ends with 1 and the reason where an alarm has taken the sheets back", async () => {
    using at = folder();
    await ship(at);
    const before = server.inForce();
    at.write("mappings/rate.yaml", sheet("rate"));
    server.rollout = takenBack;

    expect(await ship(at)).toBe(1);
    expect(printed.at(-1)).toBe("taken back at 20 % by an alarm: alarm:mapper-failing; the sheets before are in force");
    expect(server.inForce()).toBe(before);
  });

  it("compares with what is in force, not with what was taken back", async () => {
    using at = folder();
    await ship(at);
    at.write("mappings/rate.yaml", sheet("rate"));
    server.rollout = takenBack;
    await ship(at);
    server.rollout = inStages;

    expect(await ship(at)).toBe(0);
    expect(started()).toHaveLength(3);
    expect(server.inForce()).toContain('"rate":"rate"');
  });

  it("leaves sheets that are in force already as they are", async () => {
    using at = folder();
    await ship(at);

    expect(await ship(at)).toBe(0);
    expect(printed.at(-1)).toBe("these sheets are in force already, as version 1");
    expect(started()).toHaveLength(1);
  });

  it("does not get in the way of another rollout", async () => {
    using at = folder();
    await ship(at);
    at.write("mappings/rate.yaml", sheet("rate"));
    server.rollout = [{ state: "DEPLOYING", percent: 40 }];
    const other = ship(at);
    await vi.waitFor(() => expect(started()).toHaveLength(2));

    expect(await ship(at, "--now")).toBe(1);
    expect(printed.at(-1)).toMatch(/^deployment 2 is under way, at 40 %; wait for it, or end it by /);
    server.failing = 400;
    await other;
  });

  it("ends with 1 and the validator's own words where the deployed bridge refuses the sheets", async () => {
    using at = folder();
    await ship(at);
    const before = server.inForce();
    at.write("mappings/rate.yaml", sheet("rate"));
    server.validate = () => ["mappings/rate.yaml: targets.payroll: unknown key; known here: connector"];

    expect(await ship(at)).toBe(1);
    expect(printed.at(-1)).toMatch(/^refused; what was in force stays:\n.*mappings\/rate.yaml: targets.payroll: /s);
    expect(server.inForce()).toBe(before);
  });

  it("prints one JSON document, and its progress elsewhere", async () => {
    using at = folder();

    expect(await ship(at, "--json")).toBe(0);
    expect(printed.map((line) => JSON.parse(line))).toEqual([{ kind: "in-force", version: 1, deployment: 1 }]);
    expect(errors).toContain("100 %  complete");
  });
});

describe("deploy:mappings, before it calls AppConfig", () => {
  it("tells faults as file:line, and ships nothing", async () => {
    using at = folder(sheet().replace("rate: dailyRate", "rate:"));

    expect(await ship(at)).toBe(1);
    expect(errors.join("\n")).toMatch(/mappings\/rate.yaml:7: rate maps to nothing; /);
    expect(server.calls).toEqual([]);
  });

  it("runs the examples, and ships nothing where one fails", async () => {
    const example =
      "examples: [{ name: a, event: { type: rate.changed, data: { rate: 1 } }, expect: { payroll: null } }]";
    using at = folder(`${sheet()}${example}\n`);

    expect(await ship(at)).toBe(1);
    expect(errors.join("\n")).toMatch(/mappings\/rate.yaml:8: the example "a" fails: /);
    expect(server.calls).toEqual([]);
  });

  it("tells faults of governance.yaml", async () => {
    using at = folder();
    at.write("governance.yaml", "otherwise: allow\n");

    expect(await ship(at)).toBe(1);
    expect(errors.join("\n")).toMatch(/governance.yaml:1: otherwise: /);
  });

  it("refuses a sheet whose connector is not deployed yet, with its line and what to do", async () => {
    using at = folder(sheet("rate", "GISTableConnector"));

    expect(await ship(at)).toBe(1);
    expect(errors.join("\n")).toMatch(
      /mappings\/rate.yaml:5: no connector is called GISTableConnector; installed: PayrollConnector@v1\n.*connectors\/gis-table.ts is not deployed yet; npm run deploy does it/s,
    );
    expect(server.calls).toEqual(["GetParameter"]);
  });

  it.each<[string, Record<string, string | undefined>, string[], number, RegExp]>([
    [
      "nothing deployed",
      {},
      ["-c", "name=other"],
      3,
      /^other is not deployed in us-gov-west-1 .*; run npm run deploy$/,
    ],
    ["no region", { AWS_REGION: undefined }, [], 3, /^no AWS region: set AWS_REGION/],
    [
      "no credentials",
      { AWS_ACCESS_KEY_ID: undefined },
      [],
      3,
      /^no AWS credentials that work .*: sign in, or set AWS_PROFILE$/,
    ],
    ["a setting that is none", {}, ["--context", "name=HMS Bridge"], 3, /^the CDK context, name: /],
  ])("says what to do where there is %s", async (_, env, args, ...[code, expected]) => {
    using at = folder();
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);

    expect(await ship(at, ...args)).toBe(code);
    expect(errors.at(-1)).toMatch(expected);
  });

  it.each([[["mappings", "--bogus"]], [["mappings", "-c", "name"]], [["everything"]]])(
    "ends with 2 where it is called as %j",
    async (args) => {
      vi.spyOn(process.stderr, "write").mockImplementation(() => true);

      expect(await run(args)).toBe(2);
    },
  );

  it("explains itself", async () => {
    const out: string[] = [];
    vi.spyOn(process.stdout, "write").mockImplementation((text) => out.push(String(text)) > 0);

    expect(await run(["mappings", "--help"])).toBe(0);
    expect(out.join("")).toMatch(/--now.*--json.*Exit codes: 0 in force/s);
  });
});
