import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Grant, grantsIn, type Statement, shortArn } from "../support/grants.ts";
import { projectCopy } from "../support/project-copy.ts";

/** A function with its permissions, as defined by the templates. */
export interface Role {
  /** Name without the deployment's name, which is its prefix. */
  readonly function: string;
  /** Permissions with short ARNs. Resources of other stacks have their parameter's name: `dynamodb:table/<packets-table>`. */
  readonly grants: readonly Grant[];
  /** ARN of the queue or stream that invokes the function, if there is one. */
  readonly source?: string;
}

interface Resource {
  readonly Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: properties differ by resource type
  readonly Properties: Record<string, any>;
  readonly Metadata?: { readonly "aws:asset:path"?: string };
}

interface Template {
  readonly Resources: Record<string, Resource>;
  readonly Parameters?: Record<string, { readonly Type: string; readonly Default?: string }>;
}

/** A template and the values of its parameters. */
interface Stack {
  readonly template: Template;
  readonly parameters: Readonly<Record<string, string>>;
}

const account = "123456789012";
const region = "us-east-1";

const pseudoParameters: Readonly<Record<string, string>> = {
  "AWS::Partition": "aws",
  "AWS::Region": region,
  "AWS::AccountId": account,
  "AWS::URLSuffix": "amazonaws.com",
};

/** Templates of the project, synthesized after adding files to it as a developer would. */
export interface WithFiles {
  readonly stacks: readonly Stack[];
  /** Returns all resources of a type, nested stacks included. */
  of(type: string): Resource[];
}

/** Returns the roles of all functions. */
export function rolesOf({ stacks }: WithFiles): Role[] {
  return stacks.flatMap((stack) =>
    rolesIn(stack).map((role) => ({
      ...role,
      grants: [...role.grants, ...grantsFromOtherStacks(stacks, role.function)],
    })),
  );
}

/** Returns the permissions that other stacks attach to a role, which they know by its parameter `<role-mapper>`. */
function grantsFromOtherStacks(stacks: readonly Stack[], name: string): Grant[] {
  return stacks.flatMap((stack) =>
    Object.values(stack.template.Resources).flatMap(({ Type, Properties }) => {
      const attached =
        Type === "AWS::IAM::Policy" &&
        Properties.Roles.some((role: unknown) => resolve(stack, role) === `<role-${name}>`);
      const statements: Record<string, unknown>[] = attached ? Properties.PolicyDocument.Statement : [];
      return grantsIn(statements.map((statement) => resolvedStatement(stack, statement)));
    }),
  );
}

export function synthesizedWith(files: Readonly<Record<string, string>>): WithFiles {
  using project = projectCopy(files);
  const outdir = join(project.path, "cdk.out");
  const { context } = JSON.parse(readFileSync(join(project.path, "cdk.json"), "utf8")) as { context: object };
  execFileSync(process.execPath, ["infra/app.ts"], {
    cwd: project.path,
    env: {
      ...process.env,
      CDK_OUTDIR: outdir,
      // Set by the CDK command line as well, so that a nested stack names its template.
      CDK_CONTEXT_JSON: JSON.stringify({ ...context, "aws:cdk:enable-asset-metadata": true }),
      CDK_DEFAULT_ACCOUNT: account,
      CDK_DEFAULT_REGION: region,
    },
  });
  const read = (file: string) => JSON.parse(readFileSync(join(outdir, file), "utf8")) as Template;
  const { artifacts } = JSON.parse(readFileSync(join(outdir, "manifest.json"), "utf8")) as {
    artifacts: Record<string, { properties?: { templateFile?: string } }>;
  };
  const stacks = Object.values(artifacts).flatMap(({ properties }) =>
    properties?.templateFile ? withNested({ template: read(properties.templateFile), parameters: {} }, read) : [],
  );
  const resources = stacks.flatMap(({ template }) => Object.values(template.Resources));
  return { stacks, of: (type) => resources.filter(({ Type }) => Type === type) };
}

function withNested(stack: Stack, read: (file: string) => Template): Stack[] {
  const nested = Object.values(stack.template.Resources).flatMap(({ Type, Properties, Metadata }) => {
    const file = Type === "AWS::CloudFormation::Stack" && Metadata?.["aws:asset:path"];
    if (!file) return [];
    const values = Object.entries((Properties.Parameters ?? {}) as Record<string, unknown>);
    const parameters = Object.fromEntries(values.map(([name, value]) => [name, resolve(stack, value)]));
    return withNested({ template: read(file), parameters }, read);
  });
  return [stack, ...nested];
}

function rolesIn(stack: Stack): Role[] {
  const all = Object.entries(stack.template.Resources);
  const of = (type: string) => all.filter(([, { Type }]) => Type === type);
  return of("AWS::Lambda::Function").map(([id, { Properties }]) => {
    const roleId = String(Properties.Role["Fn::GetAtt"][0]);
    const attached = of("AWS::IAM::Policy").filter(([, policy]) =>
      policy.Properties.Roles.some(({ Ref }: { Ref: string }) => Ref === roleId),
    );
    const inline = stack.template.Resources[roleId]?.Properties.Policies ?? [];
    const documents = [...attached.map(([, policy]) => policy.Properties), ...inline].map((p) => p.PolicyDocument);
    const statements = documents.flatMap(({ Statement }) => Statement as Record<string, unknown>[]);
    const sources = of("AWS::Lambda::EventSourceMapping").filter(
      ([, mapping]) => mapping.Properties.FunctionName.Ref === id,
    );
    const source = sources[0]?.[1].Properties.EventSourceArn as unknown;
    return {
      function: resolve(stack, Properties.FunctionName).replace(/^hms-bridge-/, ""),
      grants: grantsIn(statements.map((statement) => resolvedStatement(stack, statement))),
      ...(source !== undefined && { source: shortArn(resolve(stack, source)) }),
    };
  });
}

function resolvedStatement(stack: Stack, { Effect, Action, Resource }: Record<string, unknown>): Statement {
  return {
    Effect: String(Effect),
    Action: Action as string | string[],
    Resource: [Resource].flat().map((resource) => shortArn(resolve(stack, resource))),
  };
}

/** Resolves a template's value to text. @throws {Error} if it uses an intrinsic function that is not supported here */
function resolve(stack: Stack, value: unknown): string {
  if (typeof value === "string") return value;
  const [[kind, argument] = ["", ""]] = Object.entries(value as Record<string, unknown>);
  if (kind === "Ref") return refOf(stack, String(argument));
  if (kind === "Fn::GetAtt") return arnOf(stack, ...(argument as [string, string]));
  if (kind === "Fn::Join") {
    const [separator, parts] = argument as [string, unknown[]];
    return parts.map((part) => resolve(stack, part)).join(separator);
  }
  throw new Error(`${kind} is not supported; add it to resolve() in test/infra/roles.ts`);
}

function refOf({ template, parameters }: Stack, name: string): string {
  const known = pseudoParameters[name] ?? parameters[name];
  if (known !== undefined) return known;
  const parameter = template.Parameters?.[name];
  // A value of another stack is represented by its parameter's name.
  if (parameter?.Type.startsWith("AWS::SSM::Parameter")) return `<${parameter.Default?.split("/").at(-1)}>`;
  return name;
}

function arnOf(stack: Stack, id: string, attribute: string): string {
  const { Type, Properties } = stack.template.Resources[id] ?? { Type: "", Properties: {} };
  if (Type === "AWS::CloudFormation::Stack") {
    throw new Error(`an output of a nested stack (${id}.${attribute}) is not supported in test/infra/roles.ts`);
  }
  const arn = (service: string, rest: string) => `arn:aws:${service}:${region}:${account}:${rest}`;
  switch (Type) {
    case "AWS::SQS::Queue":
      return arn("sqs", resolve(stack, Properties.QueueName));
    case "AWS::Logs::LogGroup":
      return arn("logs", `log-group:${resolve(stack, Properties.LogGroupName)}:*`);
    default:
      return arn(Type.split("::")[1]?.toLowerCase() ?? "", id);
  }
}
