/** One permission: an IAM action on a resource. */
export interface Call {
  /** `sqs:SendMessage` */
  readonly action: string;
  /** An ARN, or `*` for an action without a resource. */
  readonly resource: string;
}

/** Permission that a policy allows. Action and resource may contain wildcards. */
export type Grant = Call;

/** A policy's statement, its values resolved to text. */
export interface Statement {
  readonly Effect: string;
  readonly Action?: string | readonly string[];
  readonly Resource?: string | readonly string[];
}

/** Expands statements to one grant per action and resource. @throws {Error} if a statement is not a plain `Allow` */
export function grantsIn(statements: Statement | readonly Statement[]): Grant[] {
  return [statements].flat().flatMap((statement) => {
    const { Effect, Action, Resource } = statement as Statement;
    if (Effect !== "Allow" || !Action || !Resource) throw new Error(`a statement that grants nothing: ${Effect}`);
    return [Action].flat().flatMap((action) => [Resource].flat().map((resource) => ({ action, resource })));
  });
}

/** Returns true if a grant covers the call. Source: IAM, "Policy evaluation logic"; `*` is any text, `?` any character. */
export function allows(grants: readonly Grant[], call: Call): boolean {
  return grants.some((grant) => covers(grant, call));
}

export function covers(grant: Grant, { action, resource }: Call): boolean {
  return matches(grant.action.toLowerCase(), action.toLowerCase()) && matches(grant.resource, resource);
}

function matches(pattern: string, text: string): boolean {
  if (!/[*?]/.test(pattern)) return pattern === text;
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "s").test(text);
}

/** Returns an ARN without its partition, region and account: `sqs:hms-bridge-inbox`. */
export function shortArn(resource: string): string {
  const [, , service, , , ...rest] = resource.split(":");
  return resource.startsWith("arn:") ? `${service}:${rest.join(":")}` : resource;
}
