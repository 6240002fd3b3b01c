import canonicalize from "canonicalize";
import jsonata from "jsonata";
import { RE2JS } from "re2js";
import { BridgeError } from "../values/bridge-error.ts";
import { type Json, type JsonObject, jsonIssue } from "../values/json.ts";

/**
 * Cost limits of one expression. Sheets are written by an agency's own staff, but one mistake such as `$pad($, 1e9)`
 * must not stop the bridge for everyone.
 *
 * The cost is counted in steps and not in time, so that an event's result does not depend on how busy the machine is.
 * Evaluating one part of the expression is one step; creating a large value counts as several.
 */
const limits = {
  steps: 100_000,
  depth: 200,
  items: 10_000,
  textLength: 65_536,
  sourceLength: 4_096,
  weight: 2_097_152,
};

/** A compiled JSONata expression. */
export interface Expression {
  readonly source: string;
  /**
   * @param bindings variables without their `$`
   * @param now the result of `$now()` and `$millis()`, in ms since the epoch, so that every run yields the same result
   * @throws {ExpressionError} if a limit is exceeded or JSONata fails; the message never contains the input
   */
  evaluate(input: Json, now: number, bindings?: JsonObject): Promise<Json | undefined>;
}

/** Reports that an expression does not compile or has failed. The message contains no value. */
export class ExpressionError extends BridgeError {
  override readonly name = "ExpressionError";

  constructor(message: string) {
    super("expression-failed", message);
  }
}

/**
 * Time limit of one evaluation. Evaluations within the step limit take at most a second on a free processor, so a
 * longer one means that the machine is overloaded. The sheet is not at fault, and the event is retried later.
 */
const maxEvaluationMs = 10_000;

class EvaluationTimeoutError extends BridgeError {
  override readonly name = "EvaluationTimeoutError";

  constructor() {
    super(
      "deadline-exceeded",
      `an expression did not finish within ${maxEvaluationMs / 1_000} s; the machine is overloaded`,
    );
  }
}

/**
 * Linear-time replacement for RegExp, with the few members that JSONata uses.
 *
 * JavaScript's own engine backtracks: `/(a+)+$/` over 30 letters takes seconds, and no timeout can interrupt it.
 */
class LinearRegExp {
  lastIndex = 0;
  readonly #pattern: RE2JS;
  readonly #global: boolean;

  constructor(pattern: RegExp) {
    const flags = (pattern.ignoreCase ? RE2JS.CASE_INSENSITIVE : 0) | (pattern.multiline ? RE2JS.MULTILINE : 0);
    this.#pattern = RE2JS.compile(RE2JS.translateRegExp(pattern.source), flags);
    this.#global = pattern.global;
  }

  exec(text: string): RegExpExecArray | null {
    const matcher = this.#pattern.matcher(text);
    if (!matcher.find(this.#global ? this.lastIndex : 0)) {
      this.lastIndex = 0;
      return null;
    }
    this.lastIndex = matcher.end();
    const groups = Array.from({ length: matcher.groupCount() + 1 }, (_, i) => matcher.group(i) ?? undefined);
    return Object.assign(groups, { index: matcher.start(), input: text }) as unknown as RegExpExecArray;
  }
}

/** Functions whose result differs between runs or that bypass the limits. */
const unavailable = ["eval", "random", "shuffle"];

/**
 * Compiles a JSONata expression.
 *
 * @throws {ExpressionError} if it does not compile
 */
export function compileExpression(source: string): Expression {
  if (source.length > limits.sourceLength) {
    throw new ExpressionError(`the expression is longer than ${limits.sourceLength} characters`);
  }
  let compiled: jsonata.Expression;
  try {
    compiled = jsonata(source, {
      timeout: maxEvaluationMs,
      stack: limits.depth,
      sequence: limits.items,
      RegexEngine: LinearRegExp as unknown as RegExpConstructor,
    });
    checkRegexes(compiled.ast());
  } catch (error) {
    throw new ExpressionError(`"${source}" does not compile: ${reason(error, true)}`);
  }
  for (const name of unavailable) {
    compiled.registerFunction(name, () => {
      throw new ExpressionError(`$${name}() is not available in a sheet`);
    });
  }
  compiled.registerFunction("pad", pad, "<s-ns?:s>");
  compiled.registerFunction("distinct", distinct, "<x:x>");
  // JSONata's own limits count calls, time and items, none of which stops a text that doubles at each step.
  compiled.assign(Symbol.for("jsonata.__evaluate_exit") as unknown as string, countStep);

  return {
    source,
    async evaluate(input, now, bindings) {
      let result: unknown;
      try {
        result = await oneAtATime(() =>
          compiled.evaluate(input, {
            ...bindings,
            now: () => new Date(now).toISOString(),
            millis: () => now,
          }),
        );
      } catch (error) {
        if ((error as { code?: unknown }).code === "D1012") throw new EvaluationTimeoutError();
        throw new ExpressionError(`"${source}" failed: ${reason(error, false)}`);
      }
      return toJson(result, source);
    },
  };
}

let lastTurn: Promise<unknown> = Promise.resolve();

/** Steps of the current evaluation. */
let stepsTaken = 0;

/** Runs one evaluation at a time. Concurrent evaluations would share the step count, and gain nothing on one thread. */
function oneAtATime<T>(evaluation: () => Promise<T>): Promise<T> {
  const turn = lastTurn.then(() => {
    stepsTaken = 0;
    return evaluation();
  });
  lastTurn = turn.catch(() => {});
  return turn;
}

/** Hook that JSONata calls after each step. Counts the step; a record or list is weighed only when it is created. */
function countStep(_step: unknown, _input: unknown, _environment: unknown, result: unknown): void {
  const isOld = typeof result === "object" && result !== null && weights.has(result);
  const weight = weightOf(result);
  if (weight > limits.weight) throw new ExpressionError("it creates a value that is too large");
  stepsTaken += isOld ? 1 : 1 + Math.floor(weight / 256);
  if (stepsTaken > limits.steps) throw new ExpressionError(`it takes more than ${limits.steps} steps`);
}

/** Cached weights. An object does not change once it is a step's result or part of an event. */
const weights = new WeakMap<object, number>();

/** Estimates a value's length as JSON, in characters. A part that occurs twice counts twice. */
function weightOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 1;
  const known = weights.get(value);
  if (known !== undefined) return known;
  // A lambda refers to its whole environment, but exists only during this evaluation.
  if ("_jsonata_lambda" in value || "_jsonata_function" in value) return 1;
  let weight = 2;
  weights.set(value, weight);
  for (const [key, part] of Object.entries(value)) weight += key.length + weightOf(part);
  weights.set(value, weight);
  return weight;
}

/** Converts a result to plain JSON. JSONata adds properties to arrays, and a result can contain functions. */
function toJson(result: unknown, source: string): Json | undefined {
  if (result === undefined) return undefined;
  if (typeof result !== "object" && typeof result !== "function") {
    if (typeof result === "string" && result.length > limits.textLength) throw tooLong(source);
    const issue = jsonIssue(result);
    if (issue) throw new ExpressionError(`the result of "${source}" is not JSON: ${issue}`);
    return result as Json;
  }
  let text: string | undefined;
  try {
    text = JSON.stringify(result);
  } catch {
    throw new ExpressionError(`the result of "${source}" is not JSON`);
  }
  if (text === undefined) return undefined;
  if (text.length > limits.textLength) throw tooLong(source);
  const value = JSON.parse(text) as Json;
  const issue = jsonIssue(value);
  if (issue) throw new ExpressionError(`the result of "${source}" is not JSON: ${issue}`);
  return value;
}

function tooLong(source: string): ExpressionError {
  return new ExpressionError(`the result of "${source}" is longer than ${limits.textLength} characters`);
}

function pad(text: string | undefined, width: number, fill?: string): string | undefined {
  if (text === undefined) return undefined;
  if (Math.abs(width) > limits.textLength) throw new ExpressionError("$pad() is too wide");
  return width < 0 ? text.padStart(-width, fill || " ") : text.padEnd(width, fill || " ");
}

/** Replaces JSONata's `$distinct`, which compares all pairs and takes a minute for ten thousand records. */
function distinct(items: unknown): unknown {
  if (!Array.isArray(items) || items.length < 2) return items;
  const first = new Map<string | undefined, unknown>();
  for (const item of items) {
    const text = canonicalize(item);
    if (!first.has(text)) first.set(text, item);
  }
  const kept = [...first.values()];
  return "sequence" in items ? Object.assign(kept, { sequence: true }) : kept;
}

/** Compiles every regex in a syntax tree, so that unsupported ones (back-references) fail when the sheet is checked. */
function checkRegexes(node: unknown): void {
  if (typeof node !== "object" || node === null) return;
  if ((node as { type?: unknown }).type === "regex") {
    new LinearRegExp((node as { value: RegExp }).value);
    return;
  }
  for (const child of Object.values(node)) checkRegexes(child);
}

/**
 * Returns the reason an expression failed. JSONata's own messages quote data, so they are used only while compiling.
 *
 * @param compiling true if there is no data yet, so that a message can quote only the sheet
 */
function reason(error: unknown, compiling: boolean): string {
  if (error instanceof ExpressionError) return error.message;
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (compiling && message !== undefined) return String(message).slice(0, 200);
  if (typeof code !== "string") return error instanceof Error ? error.name : "unknown error";
  const known: Record<string, string> = {
    D1011: `it recurses deeper than ${limits.depth} calls`,
    D2014: `it creates a sequence of more than ${limits.items} items`,
    D2015: `it creates a sequence of more than ${limits.items} items`,
  };
  return known[code] ?? `JSONata error ${code}`;
}
