/** One permission: an IAM action on a resource. */
export interface Call {
  /** `sqs:SendMessage` */
  readonly action: string;
  /** An ARN, or `*` for an action that knows no resource. */
  readonly resource: string;
}

/** What a policy allows: a permission in which either part may hold wildcards. */
export type Grant = Call;

/** A policy's statement, its values resolved to text. */
export interface Statement {
  readonly Effect: string;
  readonly Action?: string | readonly string[];
  readonly Resource?: string | readonly string[];
}

/** What statements allow, an action and a resource each. @throws where one does not simply allow */
export function grantsIn(statements: Statement | readonly Statement[]): Grant[] {
  return [statements].flat().flatMap((statement) => {
    const { Effect, Action, Resource } = statement as Statement;
    if (Effect !== "Allow" || !Action || !Resource) throw new Error(`a statement that grants nothing: ${Effect}`);
    return [Action].flat().flatMap((action) => [Resource].flat().map((resource) => ({ action, resource })));
  });
}

/** Source: IAM, "Policy evaluation logic" and `Resource`: `*` is any text, `?` any character. */
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

/** An ARN without what differs from account to account: `sqs:hms-bridge-inbox`. */
export function shortArn(resource: string): string {
  const [, , service, , , ...rest] = resource.split(":");
  return resource.startsWith("arn:") ? `${service}:${rest.join(":")}` : resource;
}
