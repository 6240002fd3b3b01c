import http from "node:http";
import type { AddressInfo } from "node:net";

/** What a rollout goes through, a state a look; the last one stays. */
type Course = readonly { readonly state: string; readonly percent: number; readonly events?: readonly object[] }[];

/**
 * AWS AppConfig and AppConfigData on loopback, as their API references describe them, and Parameter Store's one call.
 *
 * Holds one application, environment and profile, by id (`app1`, `env1`, `pro1`) or name (`hms-bridge`, `live`, `sheets`).
 */
export interface AppConfigServer extends AsyncDisposable {
  readonly url: string;
  /** Calls so far, in order: `StartConfigurationSession`, `CreateHostedConfigurationVersion` … */
  readonly calls: string[];
  /** What each call but a GET carried. */
  readonly bodies: { readonly call: string; readonly body: string }[];
  /** Parameter Store. */
  readonly parameters: Map<string, string>;
  /** The validators: reasons to refuse a version. */
  validate: (content: string) => readonly string[];
  /** How rollouts that are begun from now on go. */
  course: Course;
  /** Puts a version into force, without a rollout. */
  putInForce(content: string): void;
  /** Content of what is in force. */
  inForce(): string | undefined;
  /** Answers every call with this status, while it is set. */
  failing: number | undefined;
  /** Answers no call, while it is set. */
  silent: boolean;
  /** Forgets all sessions, as AppConfig does after a day. */
  expireSessions(): void;
}

interface Deployment {
  readonly number: number;
  readonly version: number;
  readonly course: Course;
  looks: number;
}

export const complete: Course = [{ state: "COMPLETE", percent: 100 }];

export const places = {
  application: "app1",
  environment: "env1",
  profile: "pro1",
  staged: "staged1",
  atOnce: "atonce1",
  key: "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/1",
};

export async function appConfigServer(): Promise<AppConfigServer> {
  const versions: string[] = [];
  const deployments: Deployment[] = [];
  /** By token: what the session has. */
  const sessions = new Map<string, number>();
  let tokens = 0;

  const now = (deployment: Deployment) =>
    deployment.course[Math.min(deployment.looks, deployment.course.length - 1)] as Course[number];
  const inForce = () => deployments.findLast((deployment) => now(deployment).state === "COMPLETE")?.version;
  const token = (version: number) => {
    const made = `token-${++tokens}`;
    sessions.set(made, version);
    return made;
  };
  const shown = (deployment: Deployment) => ({
    DeploymentNumber: deployment.number,
    ConfigurationVersion: String(deployment.version),
    State: now(deployment).state,
    PercentageComplete: now(deployment).percent,
    EventLog: now(deployment).events ?? [],
    DeploymentDurationInMinutes: 10,
    FinalBakeTimeInMinutes: 10,
  });
  const refusal = (reasons: readonly string[]): Answer => ({
    status: 400,
    error: "BadRequestException",
    body: {
      Message: "Invalid configuration",
      Reason: "InvalidConfiguration",
      Details: { InvalidConfiguration: reasons.map((Reason) => ({ Type: "LAMBDA", Reason })) },
    },
  });

  const routes: readonly [RegExp, string, (call: Call) => Answer][] = [
    [
      /^POST \/configurationsessions$/,
      "StartConfigurationSession",
      ({ body }) => {
        const asked = JSON.parse(body) as Record<string, string>;
        const named = [
          asked.ApplicationIdentifier,
          asked.EnvironmentIdentifier,
          asked.ConfigurationProfileIdentifier,
        ].join();
        if (named !== "hms-bridge,live,sheets" && named !== "app1,env1,pro1") {
          return { status: 404, error: "ResourceNotFoundException", body: { Message: "no such place" } };
        }
        return { status: 201, body: { InitialConfigurationToken: token(0) } };
      },
    ],
    [
      /^GET \/configuration\?/,
      "GetLatestConfiguration",
      ({ url }) => {
        const given = url.searchParams.get("configuration_token") ?? "";
        const has = sessions.get(given);
        if (has === undefined) return { status: 400, error: "BadRequestException", body: { Message: "token" } };
        sessions.delete(given);
        const version = inForce() ?? 0;
        return {
          status: 200,
          headers: { "Next-Poll-Configuration-Token": token(version), "Next-Poll-Interval-In-Seconds": "15" },
          raw: version === has ? "" : (versions[version - 1] ?? ""),
        };
      },
    ],
    [
      /^GET \/applications\/app1\/environments\/env1\/deployments\?/,
      "ListDeployments",
      () => ({ status: 200, body: { Items: deployments.map(shown).reverse() } }),
    ],
    [
      /^GET \/applications\/app1\/configurationprofiles\/pro1\/hostedconfigurationversions\/\d+$/,
      "GetHostedConfigurationVersion",
      ({ url }) => ({ status: 200, raw: versions[Number(url.pathname.split("/").at(-1)) - 1] ?? "" }),
    ],
    [
      /^POST \/applications\/app1\/configurationprofiles\/pro1\/hostedconfigurationversions$/,
      "CreateHostedConfigurationVersion",
      ({ body }) => ({ status: 201, headers: { "Version-Number": String(versions.push(body)) }, raw: body }),
    ],
    [
      /^POST \/applications\/app1\/environments\/env1\/deployments$/,
      "StartDeployment",
      ({ body }) => {
        const version = Number((JSON.parse(body) as { ConfigurationVersion: string }).ConfigurationVersion);
        const reasons = server.validate(versions[version - 1] ?? "");
        if (reasons.length > 0) return refusal(reasons);
        const deployment = { number: deployments.length + 1, version, course: server.course, looks: 0 };
        deployments.push(deployment);
        return { status: 201, body: shown(deployment) };
      },
    ],
    [
      /^GET \/applications\/app1\/environments\/env1\/deployments\/\d+$/,
      "GetDeployment",
      ({ url }) => {
        const deployment = deployments[Number(url.pathname.split("/").at(-1)) - 1] as Deployment;
        const body = shown(deployment);
        deployment.looks++;
        return { status: 200, body };
      },
    ],
    [
      /^POST \/$/,
      "GetParameter",
      ({ body }) => {
        const { Name } = JSON.parse(body) as { Name: string };
        const Value = server.parameters.get(Name);
        return Value === undefined
          ? { status: 400, error: "ParameterNotFound", body: {} }
          : { status: 200, body: { Parameter: { Name, Value } } };
      },
    ],
  ];

  const listener: http.RequestListener = async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const url = new URL(request.url ?? "", "http://loopback");
    const call = { url, body: Buffer.concat(chunks).toString() };
    const line = `${request.method} ${url.pathname}${url.search}`;
    const route = routes.find(([pattern]) => pattern.test(line));
    const name = route?.[1] ?? line;
    server.calls.push(name);
    if (request.method !== "GET") server.bodies.push({ call: name, body: call.body });
    if (server.silent) return;
    const { status, body, raw, headers, error }: Answer = server.failing
      ? { status: server.failing, error: "InternalServerException", body: {} }
      : (route?.[2](call) ?? { status: 404, error: "UnknownOperationException", body: {} });
    response.writeHead(status, {
      "Content-Type": "application/json",
      ...(error && { "x-amzn-errortype": error }),
      ...headers,
    });
    response.end(raw ?? JSON.stringify({ ...body, ...(error && { __type: error }) }));
  };
  const listening = http.createServer(listener);
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  const server: AppConfigServer = {
    url: `http://127.0.0.1:${(listening.address() as AddressInfo).port}`,
    calls: [],
    bodies: [],
    parameters: new Map(),
    validate: () => [],
    course: complete,
    putInForce(content) {
      const version = versions.push(content);
      deployments.push({ number: deployments.length + 1, version, course: complete, looks: 0 });
    },
    inForce: () => versions[(inForce() ?? 0) - 1],
    failing: undefined,
    silent: false,
    expireSessions: () => sessions.clear(),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        listening.close(() => resolve());
        listening.closeAllConnections();
      }),
  };
  return server;
}

interface Call {
  readonly url: URL;
  readonly body: string;
}

interface Answer {
  readonly status: number;
  readonly body?: object;
  /** In place of a JSON body. */
  readonly raw?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly error?: string;
}
