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

/** States of a rollout that an alarm rolls back. */
const rolledBack = [
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
/** Waits between polls, in ms. */
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

/** Runs `npm run deploy:mappings` with the sheets of a test. */
function deploy(at: { readonly path: string }, ...args: string[]): Promise<number> {
  return run(["mappings", "--mappings", `${at.path}/mappings`, ...args], async (ms) => {
    waits.push(ms);
  });
}

/** Returns the requests that started a rollout. */
function startedRollouts(): Record<string, unknown>[] {
  return server.bodies.filter(({ call }) => call === "StartDeployment").map(({ body }) => JSON.parse(body));
}

describe("deploy:mappings", () => {
  it("deploys the first sheets at once, because there is nothing in force to protect", async () => {
    using at = folder();

    expect(await deploy(at)).toBe(0);
    expect(JSON.parse(server.inForce() ?? "").sheets[0].document.targets.payroll.map).toEqual({ rate: "dailyRate" });
    expect(startedRollouts()).toMatchObject([{ DeploymentStrategyId: "atonce1", KmsKeyIdentifier: places.key }]);
  });

  it("deploys in stages, prints the progress, and returns after rollout and monitoring", async () => {
    using at = folder();
    await deploy(at);
    at.write("mappings/rate.yaml", sheet("rate"));
    server.rollout = inStages;

    expect(await deploy(at)).toBe(0);
    expect(startedRollouts().at(-1)).toMatchObject({ DeploymentStrategyId: "staged1" });
    expect(printed.filter((line) => / % {2}/.test(line)).slice(1)).toEqual([
      "  0 %  deploying",
      " 60 %  deploying",
      "100 %  baking",
      "100 %  complete",
    ]);
    expect(waits.slice(-5)).toEqual([3_000, 3_000, 3_000, 3_000, 30_000]);
    expect(printed.at(-1)).toBe("the sheets are now in force, as version 2");
  });

  it("deploys at once with --now", async () => {
    using at = folder();
    await deploy(at);
    at.write("mappings/rate.yaml", sheet("rate"));

    expect(await deploy(at, "--now")).toBe(0);
    expect(startedRollouts().map(({ DeploymentStrategyId }) => DeploymentStrategyId)).toEqual(["atonce1", "atonce1"]);
  });

  it("exits with 1 and the reason if an alarm rolls the sheets back", async () => {
    using at = folder();
    await deploy(at);
    const before = server.inForce();
    at.write("mappings/rate.yaml", sheet("rate"));
    server.rollout = rolledBack;

    expect(await deploy(at)).toBe(1);
    expect(printed.at(-1)).toBe(
      "rolled back at 20 % by an alarm: alarm:mapper-failing; the previous sheets are in force",
    );
    expect(server.inForce()).toBe(before);
  });

  it("compares with the sheets in force, not with those that were rolled back", async () => {
    using at = folder();
    await deploy(at);
    at.write("mappings/rate.yaml", sheet("rate"));
    server.rollout = rolledBack;
    await deploy(at);
    server.rollout = inStages;

    expect(await deploy(at)).toBe(0);
    expect(startedRollouts()).toHaveLength(3);
    expect(server.inForce()).toContain('"rate":"rate"');
  });

  it("deploys nothing if the same sheets are already in force", async () => {
    using at = folder();
    await deploy(at);

    expect(await deploy(at)).toBe(0);
    expect(printed.at(-1)).toBe("these sheets are already in force, as version 1");
    expect(startedRollouts()).toHaveLength(1);
  });

  it("starts no rollout while another is in progress", async () => {
    using at = folder();
    await deploy(at);
    at.write("mappings/rate.yaml", sheet("rate"));
    server.rollout = [{ state: "DEPLOYING", percent: 40 }];
    const otherRollout = deploy(at);
    await vi.waitFor(() => expect(startedRollouts()).toHaveLength(2));

    expect(await deploy(at, "--now")).toBe(1);
    expect(printed.at(-1)).toMatch(/^deployment 2 is in progress, at 40 %; wait for it, or stop it with /);
    server.failing = 400;
    await otherRollout;
  });

  it("exits with 1 and the validator's message if the deployed bridge rejects the sheets", async () => {
    using at = folder();
    await deploy(at);
    const before = server.inForce();
    at.write("mappings/rate.yaml", sheet("rate"));
    server.validate = () => ["mappings/rate.yaml: targets.payroll: unknown key; known here: connector"];

    expect(await deploy(at)).toBe(1);
    expect(printed.at(-1)).toMatch(
      /^rejected; the previous sheets stay in force:\n.*mappings\/rate.yaml: targets.payroll: /s,
    );
    expect(server.inForce()).toBe(before);
  });

  it("prints one JSON document to standard output and the progress to standard error", async () => {
    using at = folder();

    expect(await deploy(at, "--json")).toBe(0);
    expect(printed.map((line) => JSON.parse(line))).toEqual([{ kind: "in-force", version: 1, deployment: 1 }]);
    expect(errors).toContain("100 %  complete");
  });
});

describe("deploy:mappings before a call to AppConfig", () => {
  it("reports issues as file:line and deploys nothing", async () => {
    using at = folder(sheet().replace("rate: dailyRate", "rate:"));

    expect(await deploy(at)).toBe(1);
    expect(errors.join("\n")).toMatch(/mappings\/rate.yaml:7: rate maps to nothing; /);
    expect(server.calls).toEqual([]);
  });

  it("runs the examples and deploys nothing if one fails", async () => {
    const example =
      "examples: [{ name: a, event: { type: rate.changed, data: { rate: 1 } }, expect: { payroll: null } }]";
    using at = folder(`${sheet()}${example}\n`);

    expect(await deploy(at)).toBe(1);
    expect(errors.join("\n")).toMatch(/mappings\/rate.yaml:8: the example "a" fails: /);
    expect(server.calls).toEqual([]);
  });

  it("reports issues in governance.yaml", async () => {
    using at = folder();
    at.write("governance.yaml", "otherwise: allow\n");

    expect(await deploy(at)).toBe(1);
    expect(errors.join("\n")).toMatch(/governance.yaml:1: otherwise: /);
  });

  it("rejects a sheet whose connector is not deployed yet, with its line and the fix", async () => {
    using at = folder(sheet("rate", "GISTableConnector"));

    expect(await deploy(at)).toBe(1);
    expect(errors.join("\n")).toMatch(
      /mappings\/rate.yaml:5: no connector is called GISTableConnector; installed: PayrollConnector@v1\n.*connectors\/gis-table.ts is not deployed yet; run npm run deploy/s,
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
      /^no valid AWS credentials .*: sign in, or set AWS_PROFILE$/,
    ],
    ["an invalid setting", {}, ["--context", "name=HMS Bridge"], 3, /^the CDK context, name: /],
  ])("names the fix for %s", async (_, env, args, ...[code, expected]) => {
    using at = folder();
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);

    expect(await deploy(at, ...args)).toBe(code);
    expect(errors.at(-1)).toMatch(expected);
  });

  it.each([[["mappings", "--bogus"]], [["mappings", "-c", "name"]], [["everything"]]])(
    "exits with 2 if called as %j",
    async (args) => {
      vi.spyOn(process.stderr, "write").mockImplementation(() => true);

      expect(await run(args)).toBe(2);
    },
  );

  it("prints its options and exit codes with --help", async () => {
    const out: string[] = [];
    vi.spyOn(process.stdout, "write").mockImplementation((text) => out.push(String(text)) > 0);

    expect(await run(["mappings", "--help"])).toBe(0);
    expect(out.join("")).toMatch(/--now.*--json.*Exit codes: 0 sheets in force/s);
  });
});
