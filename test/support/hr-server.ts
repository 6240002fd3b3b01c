import type { ServerResponse } from "node:http";
import type { ServerOptions } from "node:https";
import { type Answer, type Received, type TargetServer, targetServer } from "./target-server.ts";

/** The parts of an event that the HR service reads. */
export interface HrEvent {
  readonly originator: { readonly eventID: string };
  readonly data: {
    readonly eventContext: { readonly worker: { readonly associateOID: string } };
    readonly transform: Readonly<Record<string, unknown>>;
  };
}

/** An HR service that accepts events as ADP does and records their effects. */
export interface HrServer {
  readonly target: TargetServer;
  /** Every event applied, once per event id. */
  readonly effects: HrEvent[];
  /** Workers whose events are refused: `associateOID` to the path named in the error. */
  readonly refused: Map<string, string>;
  /** Form of a refusal: per row in a 200, a 400 that names the bad rows, or a 400 that names none. */
  manner: "rows" | "whole" | "silent";
  [Symbol.asyncDispose](): Promise<void>;
}

export interface HrOptions {
  readonly secure?: ServerOptions;
  /** Returns true if the request is authorized. */
  readonly accepts?: (authorization: string | undefined) => boolean | Promise<boolean>;
}

/** Reports errors in a `confirmMessage`, as ADP does. Transcribed from adpllc/marketplace-sample-payloads. */
export async function hrServer({ secure, accepts = () => true }: HrOptions = {}): Promise<HrServer> {
  const effects: HrEvent[] = [];
  const seen = new Set<string>();
  const hr: Pick<HrServer, "effects" | "refused"> & { manner: HrServer["manner"] } = {
    effects,
    refused: new Map(),
    manner: "rows",
  };
  const apply = (event: HrEvent) => {
    if (seen.has(event.originator.eventID)) return;
    seen.add(event.originator.eventID);
    effects.push(event);
  };
  const work: Answer = async ({ headers, method, body }, response) => {
    if (!(await accepts(headers.authorization))) return send(response, 401, unauthorized);
    if (method === "GET") return send(response, 200, {});
    const { events } = body as { events: HrEvent[] };
    const bad = events.flatMap((event, i) => {
      const path = hr.refused.get(event.data.eventContext.worker.associateOID);
      return path === undefined ? [] : [{ i, event, path }];
    });
    if (bad.length > 0 && hr.manner === "silent") return send(response, 400, confirmMessage("400", []));
    const confirm = confirmMessage(
      hr.manner === "rows" ? "200" : "400",
      bad.map(({ event, path }) => resourceMessage(event.originator.eventID, path)),
    );
    if (bad.length > 0 && hr.manner === "whole") return send(response, 400, confirm);
    const isBad = new Set(bad.map(({ event }) => event));
    for (const event of events) if (!isBad.has(event)) apply(event);
    const done = events.map((event) => ({
      eventStatusCode: { codeValue: isBad.has(event) ? "failed" : "complete" },
      data: { eventContext: event.data.eventContext },
      links: [],
    }));
    send(response, 200, { events: done, ...(bad.length > 0 && confirm) });
  };
  const target = await targetServer(work, secure);
  return Object.assign(hr, { target, [Symbol.asyncDispose]: target.close });
}

/** Answers a call by accepting every event in it. */
export const takesAll = ({ body }: Received, response: ServerResponse): void => {
  const { events = [] } = (body ?? {}) as { events?: HrEvent[] };
  send(response, 200, { events: events.map(() => ({ eventStatusCode: { codeValue: "complete" }, links: [] })) });
};

const unauthorized = { error: "invalid_token", error_description: "the token is not valid" };

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function confirmMessage(status: string, resourceMessages: readonly unknown[]) {
  return {
    confirmMessage: {
      confirmMessageID: {
        idValue: "9D8A3FFD-FE3B-9F49-C255-22EF39F111FF",
        schemeName: "confirmMessageID",
        schemeAgencyName: "WFN",
      },
      createDateTime: "2020-02-14T11:26:31.118+0000",
      requestReceiptDateTime: "2020-02-14T11:26:31.118+0000",
      protocolStatusCode: { codeValue: status, shortName: status },
      requestStatusCode: { codeValue: "failed" },
      requestMethodCode: { codeValue: "POST" },
      processMessages: [],
      resourceMessages,
    },
  };
}

/** Creates a message that repeats the rejected value, as ADP's messages do. */
function resourceMessage(id: string, path: string) {
  const text = `${path} This value must be in the range: 0 to 40, and is 99`;
  return {
    resourceMessageID: { idValue: id, schemeName: "resourceMessageID", schemeAgencyName: "WFN" },
    processMessages: [
      {
        processMessageID: { idValue: text, schemeName: "processMessageID", schemeAgencyName: "WFN" },
        messageTypeCode: { codeValue: "error" },
        userMessage: { messageTxt: `Label not found, missing following key: ${text}` },
      },
    ],
  };
}
