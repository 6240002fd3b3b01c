import * as z from "zod";

/** An error as RFC 9457 tells it: what is wrong, where, and what to do. Never a value that was sent. */
export const problemSchema = z
  .strictObject({
    type: z.string().describe("`urn:hms-bridge:` and a word a program can go by."),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe("What to do about it."),
    faults: z
      .array(z.strictObject({ where: z.string(), what: z.string() }))
      .optional()
      .describe("What is wrong with the call, place by place."),
    now: z.looseObject({}).optional().describe("How the packet stands now, where somebody else was faster."),
  })
  .meta({ id: "Problem" });

type ProblemBody = z.output<typeof problemSchema>;

const titles = {
  "wrong-call": [400, "The call is wrong"],
  "no-token": [401, "Who calls is not known"],
  forbidden: [403, "This caller is refused"],
  missing: [404, "There is no such thing"],
  "unknown-connector": [404, "No connector is called so"],
  moved: [409, "Somebody else was faster"],
  "too-large": [413, "The body is too large"],
  "wrong-type": [415, "The body is not JSON"],
  refused: [422, "It cannot be done"],
  failed: [500, "The bridge failed"],
  unavailable: [503, "The bridge cannot do it now"],
} as const;

export type ProblemKind = keyof typeof titles;

/** What an operation gives back in the place of its answer. */
export class ProblemError {
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
 * What a schema found wrong, without the values: of a key nobody knows not even its name, which may be anything.
 *
 * @param part of the call: `body`, `query`
 */
export function schemaProblem(part: string, error: z.ZodError): ProblemError {
  const faults = error.issues.slice(0, 20).map((issue) => ({
    where: [part, ...issue.path.map(String).filter((name) => /^[\w.]{1,40}$/.test(name))].join("."),
    what: issue.code === "unrecognized_keys" ? "has a key this call does not know" : issue.message,
  }));
  return new ProblemError("wrong-call", `The ${part} is not what this call takes; /openapi.json says what is.`, {
    faults,
  });
}
