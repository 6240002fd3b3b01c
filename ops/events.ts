import * as z from "zod";
import { withoutPersonalData } from "../bridge/by.ts";
import type { FoundEvent } from "../bridge/ports.ts";
import { operation } from "./operation.ts";
import { Problem } from "./problem.ts";
import { cursor, cursorOut, eventId, eventStory, eventSummary, limit, name, pageOf, timeIn } from "./schemas.ts";
import { eventSummaryOf, stepOf } from "./views.ts";

const listEvents = operation({
  method: "get",
  path: "/api/events",
  id: "listEvents",
  summary: "Events, newest first; the bridge's own (sync.connector.paused …) tell what operators did",
  query: z.strictObject({
    type: name.optional(),
    from: timeIn.optional().describe("Accepted from, inclusive."),
    to: timeIn.optional().describe("Accepted before."),
    limit,
    after: cursor,
  }),
  answer: pageOf(eventSummary),
  async run({ ops: { engine }, query: { type, from, to, limit, after } }) {
    const items = await engine.store.events({
      newestFirst: true,
      limit,
      ...(type !== undefined && { type }),
      ...(from !== undefined && { from: from * 1_000 }),
      ...(to !== undefined && { to: to * 1_000 }),
      ...(after !== undefined && { after }),
    });
    const last: FoundEvent | undefined = items.length === limit ? items.at(-1) : undefined;
    return { items: items.map(eventSummaryOf), ...cursorOut(last?.position) };
  },
});

const getEvent = operation({
  method: "get",
  path: "/api/events/{id}",
  id: "getEvent",
  summary: "One event: what it says, and what became of it",
  params: z.strictObject({ id: eventId }),
  answer: eventStory,
  problems: ["missing"],
  async run({ ops: { engine }, params: { id } }) {
    const [stored] = await engine.store.read("event", [id]);
    if (!stored)
      return new Problem("missing", "There is no event with this id; GET /api/events lists those there are.");
    const { event, raw } = stored.value;
    return {
      ...eventSummaryOf({ key: id, value: stored.value }),
      ...(event && { eventId: event.id, data: event.data }),
      ...(event?.subject !== undefined && { subject: event.subject }),
      ...(event?.sequence !== undefined && { sequence: event.sequence }),
      ...(raw !== undefined && { raw: withoutPersonalData(raw.slice(0, 500)) }),
      story: (await engine.store.chain(id)).map(stepOf),
    };
  },
});

export const eventOperations = [listEvents, getEvent];
