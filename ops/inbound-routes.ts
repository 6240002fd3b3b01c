import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import {
  type InboundAnswer,
  type InboundContext,
  maxInboundBytes,
  receiveWebhook,
} from "../bridge/inbound/receive-webhook.ts";
import { ApiProblem, type ProblemKind } from "./problem.ts";

const tooLarge = () => new ApiProblem("too-large", `A message may have at most ${maxInboundBytes} bytes.`).response();

/**
 * Creates the endpoint for webhooks from outside systems, which `receiveWebhook` handles. It needs no token because
 * each message is signed.
 */
export function inboundRoutes(engine: InboundContext): Hono {
  const app = new Hono();
  const limit = bodyLimit({ maxSize: maxInboundBytes, onError: tooLarge });
  app.post("/inbound/:connector", limit, async ({ req }) => {
    const body = new Uint8Array(await req.arrayBuffer());
    const header = (name: string) => req.header(name);
    return responseOf(await receiveWebhook(engine, { connector: req.param("connector"), header, body }));
  });
  return app;
}

const kindOfStatus: Readonly<Record<number, ProblemKind>> = {
  400: "wrong-call",
  401: "no-token",
  413: "too-large",
  415: "wrong-type",
};

function responseOf(answer: InboundAnswer): Response {
  if ("event" in answer) return Response.json({ event: answer.event }, { status: answer.status });
  return new ApiProblem(kindOfStatus[answer.status] as ProblemKind, `${answer.message}.`).response();
}
