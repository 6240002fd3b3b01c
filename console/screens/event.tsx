import { get } from "../api.ts";
import type { EventDetail, Packet, Page } from "../api-types.ts";
import { fullTime } from "../format.ts";
import { EventBadge } from "../parts/badge.tsx";
import { CopyableText } from "../parts/copy.tsx";
import { Icon } from "../parts/icon.tsx";
import { Empty, ProblemAlert, Skeleton } from "../parts/loading-states.tsx";
import { Story } from "../parts/story.tsx";
import { usePoll } from "../poll.ts";
import { linkTo } from "../route.ts";
import { PacketTable } from "./packets.tsx";

const everyMs = 3_000;

/** One event: its attributes and data, the packets it created, and its history. */
export function EventScreen({ id }: { readonly id: string }) {
  const event = usePoll(id, (signal) => get<EventDetail>(`/api/events/${encodeURIComponent(id)}`, {}, signal), everyMs);
  const packets = usePoll(id, (signal) => get<Page<Packet>>("/api/packets", { event: id, limit: 50 }, signal), everyMs);
  const { data } = event;
  return (
    <>
      <a class="back" href={linkTo("events")}>
        <Icon name="back" /> Events
      </a>
      {!data && <h1>Event</h1>}
      <ProblemAlert problem={event.problem} stale={data !== undefined} />
      {!data && !event.problem && <Skeleton lines={10} />}
      {data && (
        <>
          <h1 class="with-badge">
            <EventBadge status={data.status} /> <CopyableText text={id} name="event ID" />
          </h1>
          {data.reason !== undefined && <p class="reason held">{data.reason}</p>}
          <dl class="facts">
            {(
              [
                ["Type", data.type],
                ["Source", data.source],
                ["Subject", data.subject],
                ["Publisher's ID", data.eventId],
                ["Sequence", data.sequence],
                ["Event time", data.time],
                ["Accepted", fullTime(Date.parse(data.acceptedAt))],
                ["Duplicates", data.duplicates > 0 ? data.duplicates : undefined],
              ] as const
            ).map(
              ([label, value]) =>
                value !== undefined && (
                  <div key={label}>
                    <dt>{label}</dt>
                    <dd>{value}</dd>
                  </div>
                ),
            )}
          </dl>
          <section aria-labelledby="packets">
            <h2 id="packets">Packets</h2>
            {packets.data && packets.data.items.length > 0 ? (
              <PacketTable packets={packets.data.items} />
            ) : (
              <Empty title="This event created no packets">Its history says why.</Empty>
            )}
          </section>
          <div class="two">
            <section aria-labelledby="data">
              <h2 id="data">{data.data ? "Data" : "Beginning of the message"}</h2>
              <pre>{data.data ? JSON.stringify(data.data, null, 2) : (data.raw ?? "none")}</pre>
            </section>
            <section aria-labelledby="story">
              <h2 id="story">History</h2>
              <Story steps={data.story} />
            </section>
          </div>
        </>
      )}
    </>
  );
}
