import * as z from "zod";
import type { Engine } from "../bridge/engine.ts";
import { eventStatuses } from "../bridge/model/ledger-entry.ts";
import { withoutPersonalData } from "../bridge/pii/redact.ts";
import type { EventQuery, FoundEvent } from "../bridge/ports/store.ts";
import { endpoint } from "./endpoint.ts";
import { ProblemError } from "./problem.ts";
import { cursor, cursorOut, eventId, eventStory, eventSummary, limit, name, pageOf, timeIn } from "./schemas.ts";
import { eventSummaryOf, stepOf } from "./serialize.ts";

const listEvents = endpoint({
  method: "get",
  path: "/api/events",
  id: "listEvents",
  summary: "Events, newest first; the bridge's own (sync.connector.paused …) tell what operators did",
  query: z.strictObject({
    type: name.optional(),
    status: z.enum(eventStatuses).optional().describe("What became of it: QUARANTINED, say."),
    from: timeIn.optional().describe("Accepted from, inclusive."),
    to: timeIn.optional().describe("Accepted before."),
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

/** What no index knows is looked for among so many at once, and for so long; then a page ends with what there is. */
const lookedAtOnce = 200;
const maxLookMs = 3_000;

async function pageOfEvents(
  { store, clock }: Engine,
  query: EventQuery,
  status: FoundEvent["value"]["status"] | undefined,
): Promise<{ readonly items: readonly FoundEvent[]; readonly next?: string }> {
  const { limit } = query;
  const atOnce = status === undefined ? limit : lookedAtOnce;
  const until = clock.now() + maxLookMs;
  const items: FoundEvent[] = [];
  let next = query.after;
  do {
    const found = await store.events({ ...query, limit: atOnce, ...(next !== undefined && { after: next }) });
    for (const event of found) {
      next = event.position;
      if (status === undefined || event.value.status === status) items.push(event);
      if (items.length === limit) return { items, next };
    }
    if (found.length < atOnce) return { items };
  } while (clock.now() < until && next !== undefined);
  return { items, ...(next !== undefined && { next }) };
}

const getEvent = endpoint({
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
      return new ProblemError("missing", "There is no event with this id; the list of events has those there are.");
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
