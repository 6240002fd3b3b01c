import * as z from "zod";

/** RFC 9457 problem details: the problem, its location, and what to do. Never contains a value from the request. */
export const problemSchema = z
  .strictObject({
    type: z.string().describe("`urn:hms-bridge:` and a stable code for programs."),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe("The problem and what to do next."),
    faults: z
      .array(z.strictObject({ where: z.string(), what: z.string() }))
      .optional()
      .describe("The errors in the request, each with its location."),
    now: z.looseObject({}).optional().describe("The packet's current state, if it has changed since you read it."),
  })
  .meta({ id: "Problem" });

type ProblemBody = z.output<typeof problemSchema>;

const titles = {
  "wrong-call": [400, "Invalid request"],
  "no-token": [401, "Authentication required"],
  forbidden: [403, "Access denied"],
  missing: [404, "Not found"],
  "unknown-connector": [404, "Unknown connector"],
  moved: [409, "The packet has changed"],
  "too-large": [413, "Request body too large"],
  "wrong-type": [415, "Request body is not JSON"],
  refused: [422, "Operation not possible"],
  failed: [500, "Internal error"],
  unavailable: [503, "Not available now"],
} as const;

export type ProblemKind = keyof typeof titles;

/** A problem that an operation returns instead of its answer. It is a value and is never thrown. */
export class ApiProblem {
  readonly body: ProblemBody;

  constructor(kind: ProblemKind, detail: string, more: Pick<ProblemBody, "faults" | "now"> = {}) {
    const [status, title] = titles[kind];
    this.body = { type: `urn:hms-bridge:${kind}`, title, status, detail, ...more };
  }

  response(): Response {
    return new Response(JSON.stringify(this.body), {
      status: this.body.status,
      headers: { "content-type": "application/problem+json" },
    });
  }
}

/**
 * Converts a schema error to a problem without any value from the request. Omits the names of unknown keys too, because
 * they may contain anything.
 *
 * @param part the part of the request: `body`, `query`
 */
export function schemaProblem(part: string, error: z.ZodError): ApiProblem {
  const faults = error.issues.slice(0, 20).map((issue) => ({
    where: [part, ...issue.path.map(String).filter((name) => /^[\w.]{1,40}$/.test(name))].join("."),
    what: issue.code === "unrecognized_keys" ? "has an unknown key" : issue.message,
  }));
  return new ApiProblem(
    "wrong-call",
    `The ${part} does not match this operation's schema. /openapi.json has the schema.`,
    {
      faults,
    },
  );
}
