import http from "node:http";
import type { AddressInfo } from "node:net";

/** States of one rollout. Each `GetDeployment` call moves to the next; the last one remains. */
type Rollout = readonly { readonly state: string; readonly percent: number; readonly events?: readonly object[] }[];

/**
 * AWS AppConfig and AppConfigData on loopback, as their API references describe them, and `GetParameter` of Parameter
 * Store.
 *
 * Serves one application, environment and profile, by id (`app1`, `env1`, `pro1`) or name (`hms-bridge`, `live`, `sheets`).
 */
export interface AppConfigServer extends AsyncDisposable {
  readonly url: string;
  /** Names of the calls so far, in order: `StartConfigurationSession`, `CreateHostedConfigurationVersion` … */
  readonly calls: string[];
  /** Bodies of the calls other than GET, in order. */
  readonly bodies: { readonly call: string; readonly body: string }[];
  /** Parameter Store. */
  readonly parameters: Map<string, string>;
  /** Plays the validators: returns the reasons to refuse a version. */
  validate: (content: string) => readonly string[];
  /** Course of each rollout that begins from now on. */
  rollout: Rollout;
  /** Puts a version into force, without a rollout. */
  putInForce(content: string): void;
  /** Returns the content in force. */
  inForce(): string | undefined;
  /** Status with which every call is answered while it is set. */
  failing: number | undefined;
  /** While true, no call is answered. */
  silent: boolean;
  /** Forgets all sessions, as AppConfig does after a day. */
  expireSessions(): void;
}

interface Deployment {
  readonly number: number;
  readonly version: number;
  readonly rollout: Rollout;
  polls: number;
}

interface Call {
  readonly url: URL;
  readonly body: string;
}

interface Answer {
  readonly status: number;
  readonly body?: object;
  /** Text sent in place of a JSON body. */
  readonly raw?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly error?: string;
}

/** The request line of a call, its name, and the function that answers it. */
type Route = readonly [line: RegExp, name: string, answer: (call: Call) => Answer];

export const complete: Rollout = [{ state: "COMPLETE", percent: 100 }];

export const places = {
  application: "app1",
  environment: "env1",
  profile: "pro1",
  staged: "staged1",
  atOnce: "atonce1",
  key: "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/1",
};

/** Versions and deployments of the hosted configuration, and the sessions that read it. */
class HostedConfiguration {
  readonly versions: string[] = [];
  readonly deployments: Deployment[] = [];
  /** Version each session has received last, by its token; 0 for none. */
  readonly sessions = new Map<string, number>();
  #tokens = 0;

  issueToken(version: number): string {
    const token = `token-${++this.#tokens}`;
    this.sessions.set(token, version);
    return token;
  }

  start(version: number, rollout: Rollout): Deployment {
    const deployment = { number: this.deployments.length + 1, version, rollout, polls: 0 };
    this.deployments.push(deployment);
    return deployment;
  }

  /** Returns the version in force, or 0 if there is none. */
  inForce(): number {
    return this.deployments.findLast((deployment) => stateOf(deployment).state === "COMPLETE")?.version ?? 0;
  }

  contentOf(version: number): string {
    return this.versions[version - 1] ?? "";
  }
}

function stateOf({ rollout, polls }: Deployment): Rollout[number] {
  return rollout[Math.min(polls, rollout.length - 1)] as Rollout[number];
}

function describeDeployment(deployment: Deployment) {
  const { state, percent, events = [] } = stateOf(deployment);
  return {
    DeploymentNumber: deployment.number,
    ConfigurationVersion: String(deployment.version),
    State: state,
    PercentageComplete: percent,
    EventLog: events,
    DeploymentDurationInMinutes: 10,
    FinalBakeTimeInMinutes: 10,
  };
}

/** AppConfigData: sessions that poll the configuration in force. */
function sessionRoutes(hosted: HostedConfiguration): Route[] {
  return [
    [
      /^POST \/configurationsessions$/,
      "StartConfigurationSession",
      ({ body }) => {
        const request = JSON.parse(body) as Record<string, string>;
        const named = [
          request.ApplicationIdentifier,
          request.EnvironmentIdentifier,
          request.ConfigurationProfileIdentifier,
        ].join();
        if (named !== "hms-bridge,live,sheets" && named !== "app1,env1,pro1") {
          return { status: 404, error: "ResourceNotFoundException", body: { Message: "no such place" } };
        }
        return { status: 201, body: { InitialConfigurationToken: hosted.issueToken(0) } };
      },
    ],
    [
      /^GET \/configuration\?/,
      "GetLatestConfiguration",
      ({ url }) => {
        const token = url.searchParams.get("configuration_token") ?? "";
        const known = hosted.sessions.get(token);
        if (known === undefined) return { status: 400, error: "BadRequestException", body: { Message: "token" } };
        hosted.sessions.delete(token);
        const version = hosted.inForce();
        return {
          status: 200,
          headers: {
            "Next-Poll-Configuration-Token": hosted.issueToken(version),
            "Next-Poll-Interval-In-Seconds": "15",
          },
          raw: version === known ? "" : hosted.contentOf(version),
        };
      },
    ],
  ];
}

function versionRoutes(hosted: HostedConfiguration): Route[] {
  return [
    [
      /^GET \/applications\/app1\/configurationprofiles\/pro1\/hostedconfigurationversions\/\d+$/,
      "GetHostedConfigurationVersion",
      ({ url }) => ({ status: 200, raw: hosted.contentOf(Number(url.pathname.split("/").at(-1))) }),
    ],
    [
      /^POST \/applications\/app1\/configurationprofiles\/pro1\/hostedconfigurationversions$/,
      "CreateHostedConfigurationVersion",
      ({ body }) => ({ status: 201, headers: { "Version-Number": String(hosted.versions.push(body)) }, raw: body }),
    ],
  ];
}

function deploymentRoutes(
  hosted: HostedConfiguration,
  settings: Pick<AppConfigServer, "validate" | "rollout">,
): Route[] {
  return [
    [
      /^GET \/applications\/app1\/environments\/env1\/deployments\?/,
      "ListDeployments",
      () => ({ status: 200, body: { Items: hosted.deployments.map(describeDeployment).reverse() } }),
    ],
    [
      /^POST \/applications\/app1\/environments\/env1\/deployments$/,
      "StartDeployment",
      ({ body }) => {
        const version = Number((JSON.parse(body) as { ConfigurationVersion: string }).ConfigurationVersion);
        const reasons = settings.validate(hosted.contentOf(version));
        if (reasons.length > 0) return refusal(reasons);
        return { status: 201, body: describeDeployment(hosted.start(version, settings.rollout)) };
      },
    ],
    [
      /^GET \/applications\/app1\/environments\/env1\/deployments\/\d+$/,
      "GetDeployment",
      ({ url }) => {
        const deployment = hosted.deployments[Number(url.pathname.split("/").at(-1)) - 1] as Deployment;
        const body = describeDeployment(deployment);
        deployment.polls++;
        return { status: 200, body };
      },
    ],
  ];
}

function parameterRoute(parameters: ReadonlyMap<string, string>): Route {
  return [
    /^POST \/$/,
    "GetParameter",
    ({ body }) => {
      const { Name } = JSON.parse(body) as { Name: string };
      const Value = parameters.get(Name);
      return Value === undefined
        ? { status: 400, error: "ParameterNotFound", body: {} }
        : { status: 200, body: { Parameter: { Name, Value } } };
    },
  ];
}

function refusal(reasons: readonly string[]): Answer {
  return {
    status: 400,
    error: "BadRequestException",
    body: {
      Message: "Invalid configuration",
      Reason: "InvalidConfiguration",
      Details: { InvalidConfiguration: reasons.map((Reason) => ({ Type: "LAMBDA", Reason })) },
    },
  };
}

export async function appConfigServer(): Promise<AppConfigServer> {
  const hosted = new HostedConfiguration();
  const listening = http.createServer((request, response) => void respond(request, response));
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  const server: AppConfigServer = {
    url: `http://127.0.0.1:${(listening.address() as AddressInfo).port}`,
    calls: [],
    bodies: [],
    parameters: new Map(),
    validate: () => [],
    rollout: complete,
    putInForce: (content) => void hosted.start(hosted.versions.push(content), complete),
    inForce: () => hosted.versions[hosted.inForce() - 1],
    failing: undefined,
    silent: false,
    expireSessions: () => hosted.sessions.clear(),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        listening.close(() => resolve());
        listening.closeAllConnections();
      }),
  };
  const routes = [
    ...sessionRoutes(hosted),
    ...versionRoutes(hosted),
    ...deploymentRoutes(hosted, server),
    parameterRoute(server.parameters),
  ];
  const respond = async (request: http.IncomingMessage, response: http.ServerResponse) => {
    const url = new URL(request.url ?? "", "http://loopback");
    const call = { url, body: Buffer.concat(await request.toArray()).toString() };
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
  return server;
}
