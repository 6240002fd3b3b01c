import * as z from "zod";
import type { Engine } from "../bridge/engine.ts";
import { eventStatuses } from "../bridge/model/ledger-entry.ts";
import { withoutPersonalData } from "../bridge/pii/redact.ts";
import type { EventQuery, FoundEvent } from "../bridge/ports/store.ts";
import { endpoint } from "./endpoint.ts";
import { ApiProblem } from "./problem.ts";
import { cursor, cursorOut, eventId, eventStory, eventSummary, limit, name, pageOf, timeIn } from "./schemas.ts";
import { eventSummaryOf, stepOf } from "./serialize.ts";

const listEvents = endpoint({
  method: "get",
  path: "/api/events",
  id: "listEvents",
  summary:
    "Lists events, newest first. The bridge's own events, such as sync.connector.paused, record operator actions",
  query: z.strictObject({
    type: name.optional(),
    status: z.enum(eventStatuses).optional().describe("Only events with this status, such as QUARANTINED."),
    from: timeIn.optional().describe("Only events accepted at or after this time."),
    to: timeIn.optional().describe("Only events accepted before this time."),
    limit,
    after: cursor,
  }),
  answer: pageOf(eventSummary),
  async run({ ops: { engine }, query: { type, status, from, to, limit, after } }) {
    const query = {
      newestFirst: true,
      limit,
      ...(type !== undefined && { type }),
      ...(from !== undefined && { from: from * 1_000 }),
      ...(to !== undefined && { to: to * 1_000 }),
      ...(after !== undefined && { after }),
    };
    const { items, next } = await pageOfEvents(engine, query, status);
    return { items: items.map(eventSummaryOf), ...cursorOut(next) };
  },
});

/** Status is not indexed, so a filter by status scans events in batches of this size. */
const scanBatch = 200;

/** A scan that takes longer ends its page early. The page's `next` continues it. */
const maxScanMs = 3_000;

async function pageOfEvents(
  { store, clock }: Engine,
  query: EventQuery,
  status: FoundEvent["value"]["status"] | undefined,
): Promise<{ readonly items: readonly FoundEvent[]; readonly next?: string }> {
  const { limit } = query;
  const batch = status === undefined ? limit : scanBatch;
  const until = clock.now() + maxScanMs;
  const items: FoundEvent[] = [];
  let next = query.after;
  do {
    const found = await store.events({ ...query, limit: batch, ...(next !== undefined && { after: next }) });
    for (const event of found) {
      next = event.position;
      if (status === undefined || event.value.status === status) items.push(event);
      if (items.length === limit) return { items, next };
    }
    if (found.length < batch) return { items };
  } while (clock.now() < until && next !== undefined);
  return { items, ...(next !== undefined && { next }) };
}

const getEvent = endpoint({
  method: "get",
  path: "/api/events/{id}",
  id: "getEvent",
  summary: "Gets one event with its data and its history",
  params: z.strictObject({ id: eventId }),
  answer: eventStory,
  problems: ["missing"],
  async run({ ops: { engine }, params: { id } }) {
    const [stored] = await engine.store.read("event", [id]);
    if (!stored) return new ApiProblem("missing", "There is no event with this id. Find the id in the list of events.");
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
