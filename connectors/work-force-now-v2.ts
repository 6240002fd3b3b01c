import * as z from "zod";
import { type Context, defineConnector, type HttpResponse } from "../bridge/model/connector.ts";
import { delivered, type Outcome, refused, retry } from "../bridge/model/outcome.ts";
import type { Packet } from "../bridge/model/packet.ts";
import { nest } from "../bridge/values/field-path.ts";
import { joinUrl, maxAnswerLength, outcomeOf, outcomeOfError } from "./protocols/http/client.ts";
import { authorize, clientAuthSchema, clientSecretSchema, tlsOf } from "./protocols/http/oauth2.ts";
import { fieldOf } from "./protocols/http/problem-details.ts";

const configSchema = z.strictObject({
  baseUrl: z.url().default("https://api.adp.com").describe("The base URL of the API."),
  tokenUrl: z
    .url()
    .default("https://accounts.adp.com/auth/oauth/v2/token")
    .describe("The URL that issues access tokens."),
  scope: z.string().min(1).optional().describe("The scope to request for the token. ADP needs none."),
  clientAuth: clientAuthSchema,
  event: z
    .string()
    .regex(/^[a-z]+(-[a-z]+)*(\.[a-z]+(-[a-z]+)*)+$/, "is not an event name such as worker.work-assignment.modify")
    .default("worker.work-assignment.modify")
    .describe("The event that is posted for a change. It determines the names of the fields."),
  most: z.int().min(1).max(10).default(10).describe("The most workers in one call; 1 if the event allows only one."),
});

type Config = z.output<typeof configSchema>;

/**
 * Connector to an HR service with an API like ADP Workforce Now's: changes of one or more workers are posted as events.
 * Access tokens come from the client credentials grant over mutual TLS.
 *
 * A packet's entity is the worker's `associateOID`. Its fields form the event's `transform`, so a sheet names them by
 * path: `worker.workAssignment.standardHours.hoursQuantity`. The response to a successful call lists the `events` in
 * their order. The response to a refused call has a `confirmMessage` with a resource message per refused event.
 *
 * Sources, ADP: "Access Tokens", "API Common Exceptions and Tips for Handling" and "Payroll Data Input API Guide for
 * ADP Workforce Now" (developers.adp.com), and the responses in its repository adpllc/marketplace-sample-payloads.
 *
 * ADP defines three details per event; this connector has fixed choices for them. It sends several workers as several
 * `events` of one call. It sends the packet's id, the same on every attempt, as `originator.eventID`. It assigns a
 * resource message to the event that the message's id or path (`/events/2/…`) names.
 */
export const connector = defineConnector({
  name: "WorkForceNow",
  version: "v2",
  order: "latest",
  // An event sets values, so posting it twice has no second effect.
  idempotent: true,
  config: configSchema,
  secret: clientSecretSchema.refine(({ cert }) => cert !== undefined, "has no certificate; add cert and key"),
  rate: { concurrency: 10 },

  async sendBatch(packets, context) {
    const { http, config, secret, signal } = context;
    const access = await authorize(http, config, secret, signal);
    if ("outcome" in access) return packets.map(() => access.outcome);
    const call = (group: readonly Packet[]) => post(group, context, access.headers);
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

/**
 * Result of one call: an outcome per packet, or the refusal of the whole call, which had no effect. `refusedPackets`
 * has the outcomes of the packets named in the refusal, by their index.
 */
type CallResult =
  | { readonly outcomes: readonly Outcome[] }
  | { readonly refusedPackets: ReadonlyMap<number, Outcome>; readonly refusal: Outcome };

/**
 * Sends packets in one call, so that one bad packet does not fail the others: if the whole call is refused, sends again
 * without the packets that the refusal names, or each packet alone if it names none.
 */
async function sendGroup(
  packets: readonly Packet[],
  call: (group: readonly Packet[]) => Promise<CallResult>,
): Promise<readonly Outcome[]> {
  const result = await call(packets);
  if ("outcomes" in result) return result.outcomes;
  const { refusedPackets, refusal } = result;
  if (packets.length === 1) return [refusedPackets.get(0) ?? refusal];
  const others = packets.filter((_, i) => !refusedPackets.has(i));
  const outcomes =
    refusedPackets.size > 0 && others.length > 0
      ? await sendGroup(others, call)
      : (await Promise.all(others.map((packet) => sendGroup([packet], call)))).flat();
  return packets.map((packet, i) => refusedPackets.get(i) ?? (outcomes[others.indexOf(packet)] as Outcome));
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
): Promise<CallResult> {
  const url = joinUrl(config.baseUrl, "events", "hr", "v1", config.event);
  const json = { events: packets.map((packet) => eventOf(packet, config.event)) };
  try {
    const response = await http.request({ method: "POST", url, headers, json, tls: tlsOf(secret), signal });
    return resultOf(packets, response, new URL(url).pathname);
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

const responseSchema = z.looseObject({
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

type ResourceMessage = NonNullable<z.output<typeof responseSchema>["confirmMessage"]>["resourceMessages"][number];

/** Converts a response to the result of the call. */
function resultOf(packets: readonly Packet[], response: HttpResponse, at: string): CallResult {
  const callOutcome = outcomeOf(
    response,
    at,
    packets.map(({ fields }) => fields),
  );
  if (callOutcome.kind === "retry") return { outcomes: packets.map(() => callOutcome) };
  const parsed = responseSchema.safeParse(parseJson(response.body));
  const messages = parsed.success ? (parsed.data.confirmMessage?.resourceMessages ?? []) : [];
  const refusedPackets = refusalsOf(packets, messages, response);
  if (callOutcome.kind !== "delivered") return { refusedPackets, refusal: callOutcome };
  const { status } = response;
  if (!parsed.success || parsed.data.events?.length !== packets.length) {
    const reason = `answered ${status} without a result for each event`;
    return { outcomes: packets.map((_, i) => refusedPackets.get(i) ?? retry(reason, { status })) };
  }
  return {
    outcomes: parsed.data.events.map(({ eventStatusCode }, i) => {
      if (refusedPackets.has(i)) return refusedPackets.get(i) as Outcome;
      const code = eventStatusCode?.codeValue;
      return code === undefined || code === "complete" || code === "submitted"
        ? delivered({ at, status })
        : refused("the event was not carried out", { status, answer: response.body.slice(0, maxAnswerLength) });
    }),
  };
}

/**
 * Returns the refusals of the packets that error messages name, by packet index. A reason lists the fields. The message
 * itself may repeat values, so it is only in the answer.
 */
function refusalsOf(
  packets: readonly Packet[],
  messages: readonly ResourceMessage[],
  { status }: HttpResponse,
): ReadonlyMap<number, Outcome> {
  const refusals = new Map<number, Outcome>();
  for (const message of messages) {
    const errors = message.processMessages.filter(({ messageTypeCode }) => messageTypeCode?.codeValue === "error");
    if (errors.length === 0) continue;
    const paths = errors.map((error) => error.sourceLocation?.expressionPath ?? error.processMessageID?.idValue ?? "");
    const i = indexOf(message, paths, packets);
    if (i === undefined) continue;
    const fields = [...new Set(paths.flatMap((path) => fieldsAt(path, packets[i] as Packet)))];
    const subject = fields.length > 0 ? `${fields.join(", ")} refused` : "refused";
    const answer = JSON.stringify(message).slice(0, maxAnswerLength);
    refusals.set(i, refused(`answered ${status}: ${subject}; the answer has the message`, { status, answer }));
  }
  return refusals;
}

/** Returns the index of the packet that a message is about: by its id, its path, or because there is only one. */
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

/** Returns the packet's fields that the path of a message names. */
function fieldsAt(path: string, packet: Packet): string[] {
  const [pointer = ""] = path.split(" ");
  const field = fieldOf(pointer.replace(/^\/?events(\/|\[)\d+\]?/, "").replace(/^\/?data\/transform/, ""));
  return Object.keys(packet.fields).filter((name) => name === field || name.endsWith(`.${field}`));
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
