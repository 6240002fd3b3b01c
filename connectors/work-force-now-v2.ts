import * as z from "zod";
import { type Context, defineConnector, type HttpResponse } from "../bridge/model/connector.ts";
import { delivered, type Outcome, refused, retry } from "../bridge/model/outcome.ts";
import type { Packet } from "../bridge/model/packet.ts";
import { nest } from "../bridge/values/field-path.ts";
import { joinUrl, maxAnswerLength, outcomeOf, outcomeOfError } from "./protocols/http/client.ts";
import { authorize, clientAuthSchema, clientSecretSchema, tlsOf } from "./protocols/http/oauth2.ts";
import { fieldOf } from "./protocols/http/problem-details.ts";

const configSchema = z.strictObject({
  baseUrl: z.url().default("https://api.adp.com").describe("Where the API begins."),
  tokenUrl: z
    .url()
    .default("https://accounts.adp.com/auth/oauth/v2/token")
    .describe("Where it gives out access tokens."),
  scope: z.string().min(1).optional().describe("What the token is asked for; ADP takes none."),
  clientAuth: clientAuthSchema,
  event: z
    .string()
    .regex(/^[a-z]+(-[a-z]+)*(\.[a-z]+(-[a-z]+)*)+$/, "is not an event's name such as worker.work-assignment.modify")
    .default("worker.work-assignment.modify")
    .describe("The event that carries a change; it decides what the fields are called."),
  most: z.int().min(1).max(10).default(10).describe("Workers in one call; 1 where the event takes one at a time."),
});

type Config = z.output<typeof configSchema>;

/**
 * A commercial HR service in the manner of ADP Workforce Now: a change is an event that is posted, for one worker or
 * for many; access is a token by client credentials over mutual TLS.
 *
 * A packet's entity is the worker's `associateOID`; its fields are the event's `transform`, so that a sheet names them
 * `worker.workAssignment.standardHours.hoursQuantity`. An answer tells of each event: `events` in their order where
 * all was taken, and a `confirmMessage` with a resource message for each that was not.
 *
 * Sources, ADP: "Access Tokens", "API Common Exceptions and Tips for Handling" and "Payroll Data Input API Guide for
 * ADP Workforce Now" (developers.adp.com), and the answers in its repository adpllc/marketplace-sample-payloads.
 * Chosen here, for ADP leaves it to each event: that several workers are several `events` of one call; that
 * `originator.eventID` carries the packet's id, the same at every try; that a resource message is about the event its
 * id or its path (`/events/2/…`) names.
 */
export const connector = defineConnector({
  name: "WorkForceNow",
  version: "v2",
  order: "latest",
  // An event says what a value is from now on: told twice, it is the same.
  idempotent: true,
  config: configSchema,
  secret: clientSecretSchema.refine(({ cert }) => cert !== undefined, "has no certificate; give cert and key"),
  rate: { concurrency: 10 },

  async sendBatch(packets, context) {
    const { http, config, secret, signal } = context;
    const access = await authorize(http, config, secret, signal);
    if ("outcome" in access) return packets.map(() => access.outcome);
    const call = (some: readonly Packet[]) => post(some, context, access.headers);
    const groups = Array.from({ length: Math.ceil(packets.length / config.most) }, (_, i) =>
      packets.slice(i * config.most, (i + 1) * config.most),
    );
    const outcomes = await Promise.all(groups.map((group) => sendGroup(group, call)));
    return outcomes.flat().map(access.dropIfRefused);
  },

  probe({ config, secret, http, signal }) {
    return http.isAwake(joinUrl(config.baseUrl, "events", "hr", "v1", config.event, "meta"), signal, tlsOf(secret));
  },
});

/** What one call came to: an outcome a packet, or a refusal that took nothing of it, with those it blames. */
type Answered =
  | { readonly outcomes: readonly Outcome[] }
  | { readonly blamed: ReadonlyMap<number, Outcome>; readonly whole: Outcome };

/**
 * Sends some packets in one call. Where that is refused as a whole, those it blames are out and the others go again;
 * where it blames nobody, each goes alone: one bad row does not fail the rest.
 */
async function sendGroup(
  packets: readonly Packet[],
  call: (some: readonly Packet[]) => Promise<Answered>,
): Promise<readonly Outcome[]> {
  const answered = await call(packets);
  if ("outcomes" in answered) return answered.outcomes;
  const { blamed, whole } = answered;
  if (packets.length === 1) return [blamed.get(0) ?? whole];
  const others = packets.filter((_, i) => !blamed.has(i));
  const again =
    blamed.size > 0 && others.length > 0
      ? await sendGroup(others, call)
      : (await Promise.all(others.map((packet) => sendGroup([packet], call)))).flat();
  return packets.map((packet, i) => blamed.get(i) ?? (again[others.indexOf(packet)] as Outcome));
}

async function post(
  packets: readonly Packet[],
  {
    http,
    config,
    secret,
    signal,
  }: Pick<Context<Config, z.output<typeof clientSecretSchema>>, "http" | "config" | "secret" | "signal">,
  headers: Readonly<Record<string, string>>,
): Promise<Answered> {
  const url = joinUrl(config.baseUrl, "events", "hr", "v1", config.event);
  const json = { events: packets.map((packet) => eventOf(packet, config.event)) };
  try {
    const answer = await http.request({ method: "POST", url, headers, json, tls: tlsOf(secret), signal });
    return judge(packets, answer, new URL(url).pathname);
  } catch (error) {
    const failed = outcomeOfError(error);
    return { outcomes: packets.map(() => failed) };
  }
}

function eventOf(packet: Packet, event: string) {
  return {
    serviceCategoryCode: { codeValue: "hr" },
    eventNameCode: { codeValue: event },
    originator: { eventID: packet.id },
    data: { eventContext: { worker: { associateOID: packet.entity } }, transform: nest(packet.fields) },
  };
}

const idSchema = z.looseObject({ idValue: z.string() }).nullish().catch(undefined);
const codeSchema = z.looseObject({ codeValue: z.string() }).nullish().catch(undefined);

const answerSchema = z.looseObject({
  events: z.array(z.looseObject({ eventStatusCode: codeSchema })).optional(),
  confirmMessage: z
    .looseObject({
      resourceMessages: z
        .array(
          z.looseObject({
            resourceMessageID: idSchema,
            processMessages: z.array(
              z.looseObject({
                processMessageID: idSchema,
                messageTypeCode: codeSchema,
                sourceLocation: z.looseObject({ expressionPath: z.string() }).nullish().catch(undefined),
              }),
            ),
          }),
        )
        .default([]),
    })
    .optional(),
});

type ResourceMessage = NonNullable<z.output<typeof answerSchema>["confirmMessage"]>["resourceMessages"][number];

/** An answer as what became of each packet. */
function judge(packets: readonly Packet[], answer: HttpResponse, at: string): Answered {
  const whole = outcomeOf(
    answer,
    at,
    packets.map(({ fields }) => fields),
  );
  if (whole.kind === "retry") return { outcomes: packets.map(() => whole) };
  const parsed = answerSchema.safeParse(jsonIn(answer.body));
  const messages = parsed.success ? (parsed.data.confirmMessage?.resourceMessages ?? []) : [];
  const blamed = blame(packets, messages, answer);
  if (whole.kind !== "delivered") return { blamed, whole };
  const { status } = answer;
  if (!parsed.success || parsed.data.events?.length !== packets.length) {
    const reason = `answered ${status} and did not say what became of each event`;
    return { outcomes: packets.map((_, i) => blamed.get(i) ?? retry(reason, { status })) };
  }
  return {
    outcomes: parsed.data.events.map(({ eventStatusCode }, i) => {
      if (blamed.has(i)) return blamed.get(i) as Outcome;
      const code = eventStatusCode?.codeValue;
      return code === undefined || code === "complete" || code === "submitted"
        ? delivered({ at, status })
        : refused("the event was not carried out", { status, answer: answer.body.slice(0, maxAnswerLength) });
    }),
  };
}

/** The packets that resource messages name, with what is wrong with which field; their words may repeat values. */
function blame(
  packets: readonly Packet[],
  messages: readonly ResourceMessage[],
  { status }: HttpResponse,
): ReadonlyMap<number, Outcome> {
  const blamed = new Map<number, Outcome>();
  for (const message of messages) {
    const errors = message.processMessages.filter(({ messageTypeCode }) => messageTypeCode?.codeValue === "error");
    if (errors.length === 0) continue;
    const paths = errors.map((error) => error.sourceLocation?.expressionPath ?? error.processMessageID?.idValue ?? "");
    const i = indexOf(message, paths, packets);
    if (i === undefined) continue;
    const fields = [...new Set(paths.flatMap((path) => fieldIn(path, packets[i] as Packet)))];
    const what = fields.length > 0 ? `${fields.join(", ")} refused` : "refused";
    const answer = JSON.stringify(message).slice(0, maxAnswerLength);
    blamed.set(i, refused(`answered ${status}: ${what}; its words stand in the answer`, { status, answer }));
  }
  return blamed;
}

function indexOf(message: ResourceMessage, paths: readonly string[], packets: readonly Packet[]): number | undefined {
  const id = message.resourceMessageID?.idValue;
  const byId = packets.findIndex((packet) => packet.id === id);
  if (byId >= 0) return byId;
  for (const path of [id ?? "", ...paths]) {
    const [, number] = /^\/?events(?:\/|\[)(\d{1,3})\b/.exec(path) ?? [];
    if (number !== undefined && Number(number) < packets.length) return Number(number);
  }
  return packets.length === 1 ? 0 : undefined;
}

/** The field a message's path speaks of, where the packet has it. */
function fieldIn(path: string, packet: Packet): string[] {
  const [place = ""] = path.split(" ");
  const field = fieldOf(place.replace(/^\/?events(\/|\[)\d+\]?/, "").replace(/^\/?data\/transform/, ""));
  return Object.keys(packet.fields).filter((name) => name === field || name.endsWith(`.${field}`));
}

function jsonIn(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
