import { get } from "../api.ts";
import type { EventStory, Packet, Page } from "../api-types.ts";
import { fullTime } from "../format.ts";
import { EventBadge } from "../parts/badge.tsx";
import { Copied } from "../parts/copy.tsx";
import { Icon } from "../parts/icon.tsx";
import { Empty, Fault, Skeleton } from "../parts/loading-states.tsx";
import { Story } from "../parts/story.tsx";
import { usePoll } from "../poll.ts";
import { linkTo } from "../route.ts";
import { PacketTable } from "./packets.tsx";

const everyMs = 3_000;

/** One event: what it says, the packets it made, and why it made none. */
export function EventScreen({ id }: { readonly id: string }) {
  const event = usePoll(id, (signal) => get<EventStory>(`/api/events/${encodeURIComponent(id)}`, {}, signal), everyMs);
  const packets = usePoll(id, (signal) => get<Page<Packet>>("/api/packets", { event: id, limit: 50 }, signal), everyMs);
  const { data } = event;
  return (
    <>
      <a class="back" href={linkTo("events")}>
        <Icon name="back" /> Events
      </a>
      {!data && <h1>Event</h1>}
      <Fault problem={event.problem} stale={data !== undefined} />
      {!data && !event.problem && <Skeleton lines={10} />}
      {data && (
        <>
          <h1 class="with-badge">
            <EventBadge status={data.status} /> <Copied text={id} what="event's id" />
          </h1>
          {data.reason !== undefined && <p class="reason held">{data.reason}</p>}
          <dl class="facts">
            {(
              [
                ["Type", data.type],
                ["Source", data.source],
                ["Subject", data.subject],
                ["Its own id", data.eventId],
                ["Sequence", data.sequence],
                ["Its time", data.time],
                ["Accepted", fullTime(Date.parse(data.acceptedAt))],
                ["Came again", data.duplicates > 0 ? data.duplicates : undefined],
              ] as const
            ).map(
              ([word, value]) =>
                value !== undefined && (
                  <div key={word}>
                    <dt>{word}</dt>
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
              <Empty title="It made no packets">Its story says why.</Empty>
            )}
          </section>
          <div class="two">
            <section aria-labelledby="data">
              <h2 id="data">{data.data ? "Data" : "How it begins"}</h2>
              <pre>{data.data ? JSON.stringify(data.data, null, 2) : (data.raw ?? "nothing")}</pre>
            </section>
            <section aria-labelledby="story">
              <h2 id="story">Story</h2>
              <Story steps={data.story} />
            </section>
          </div>
        </>
      )}
    </>
  );
}
