import { useState } from "preact/hooks";
import { get, post } from "../api.ts";
import type { Act, Done, Field, PacketStory, SheetText } from "../api-types.ts";
import { counted, shortHash, span } from "../format.ts";
import { StatusBadge } from "../parts/badge.tsx";
import { Copied } from "../parts/copy.tsx";
import { Ask } from "../parts/dialog.tsx";
import { Change, Value } from "../parts/diff.tsx";
import { Icon } from "../parts/icon.tsx";
import { Fault, Skeleton } from "../parts/loading-states.tsx";
import { Story } from "../parts/story.tsx";
import { Ago } from "../parts/time.tsx";
import { showToast } from "../parts/toast.tsx";
import { usePoll } from "../poll.ts";
import { goTo, linkTo } from "../route.ts";
import { Edit } from "./edit.tsx";

const everyMs = 2_000;

/** One packet: what it carries, what became of it and why, and what can be done. */
export function PacketScreen({ id }: { readonly id: string }) {
  const polled = usePoll(
    id,
    (signal) => get<PacketStory>(`/api/packets/${encodeURIComponent(id)}`, {}, signal),
    everyMs,
  );
  const [doing, setDoing] = useState<Act>();
  const packet = polled.data;
  return (
    <>
      <a class="back" href={linkTo("packets")}>
        <Icon name="back" /> Packets
      </a>
      {!packet && <h1>Packet</h1>}
      <Fault problem={polled.problem} stale={packet !== undefined} />
      {!packet && !polled.problem && <Skeleton lines={12} />}
      {packet && (
        <>
          <Head packet={packet} doing={doing} setDoing={setDoing} />
          <div class="two">
            <div>
              {doing === "edit" ? (
                <Edit packet={packet} onClose={() => setDoing(undefined)} refresh={polled.refresh} />
              ) : (
                <FieldsOf packet={packet} />
              )}
              <Answer packet={packet} />
              <SheetOf packet={packet} />
            </div>
            <section aria-labelledby="story">
              <h2 id="story">Story</h2>
              <Story steps={packet.story} />
            </section>
          </div>
          {doing === "replay" && <Replay packet={packet} onClose={() => setDoing(undefined)} />}
          {doing === "discard" && (
            <Discard packet={packet} onClose={() => setDoing(undefined)} refresh={polled.refresh} />
          )}
        </>
      )}
    </>
  );
}

interface HeadProps {
  readonly packet: PacketStory;
  readonly doing: Act | undefined;
  readonly setDoing: (act: Act) => void;
}

const acts = [
  ["edit", "Edit", "sheet"],
  ["replay", "Replay", "again"],
  ["discard", "Discard", "cross"],
] as const;

function Head({ packet, doing, setDoing }: HeadProps) {
  const { id, status, reason, may } = packet;
  return (
    <>
      <div class="title">
        <h1 class="with-badge">
          <StatusBadge status={status} /> <Copied text={id} what="packet's id" />
        </h1>
        <div class="buttons">
          {acts
            .filter(([act]) => may.includes(act))
            .map(([act, word, icon]) => (
              <button
                key={act}
                type="button"
                class={act === "edit" ? "primary" : ""}
                aria-pressed={act === "edit" ? doing === "edit" : undefined}
                onClick={() => setDoing(act)}
              >
                <Icon name={icon} /> {word}
              </button>
            ))}
        </div>
      </div>
      {reason !== undefined && <p class={status === "HELD" ? "reason held" : "reason"}>{reason}</p>}
      <PacketFacts packet={packet} />
    </>
  );
}

function PacketFacts({ packet }: { readonly packet: PacketStory }) {
  const { connector, entity, event, eventType, sheet, target, recordedAt, lagMs, windowMs } = packet;
  const { tries, nextTryAt, delivery, job } = packet;
  return (
    <dl class="facts">
      <Fact word="Connector">
        <a href={linkTo("packets", undefined, { connector })}>{connector}</a>
      </Fact>
      <Fact word="Entity">
        <Copied text={entity} what="entity" />
      </Fact>
      <Fact word="Target">
        <a href={linkTo("sheets", sheet)}>
          {sheet}.{target}
        </a>
      </Fact>
      <Fact word="Event">
        <a href={linkTo("events", event)}>{eventType}</a>
      </Fact>
      <Fact word="Recorded">
        <Ago at={recordedAt} />
      </Fact>
      <Fact word="Lag">
        {lagMs === undefined ? "open" : span(lagMs)} <span class="quiet">of {span(windowMs)}</span>
      </Fact>
      <Fact word="Tries">
        {counted(tries, "try", "tries")}
        {nextTryAt !== undefined && (
          <>
            , next <Ago at={nextTryAt} />
          </>
        )}
      </Fact>
      {delivery && (
        <Fact word="Acknowledged">
          {delivery.status !== undefined && `HTTP ${delivery.status}, `}
          {span(delivery.ms)} {delivery.remoteId !== undefined && <>as {delivery.remoteId}</>}
        </Fact>
      )}
      <RelatedPackets packet={packet} />
      {job !== undefined && (
        <Fact word="Job">
          <a href={linkTo("jobs")}>{job}</a>
        </Fact>
      )}
    </dl>
  );
}

function RelatedPackets({ packet: { behind, replayOf, replaces, replacedBy } }: { readonly packet: PacketStory }) {
  const related = [
    ["In the place of", replaces],
    ["Replaced by", replacedBy],
    ["Replay of", replayOf],
    ["Waits behind", behind],
  ] as const;
  return related.map(
    ([word, other]) =>
      other !== undefined && (
        <Fact key={word} word={word}>
          <a href={linkTo("packets", other)}>
            <code>{other}</code>
          </a>
        </Fact>
      ),
  );
}

function Fact({ word, children }: { readonly word: string; readonly children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{word}</dt>
      <dd>{children}</dd>
    </div>
  );
}

const atTarget = { this: "holds this", another: "holds another", unknown: "not known" } as const;

function FieldsOf({ packet: { fields, action } }: { readonly packet: PacketStory }) {
  if (action === "delete") return <p>This packet deletes the record at its target.</p>;
  return (
    <section aria-labelledby="fields">
      <h2 id="fields">Fields</h2>
      <table class="fields">
        <thead>
          <tr>
            <th scope="col">Field</th>
            <th scope="col">Before → after</th>
            <th scope="col">Target</th>
          </tr>
        </thead>
        <tbody>
          {fields.map((field: Field) => (
            <tr key={field.name}>
              <th scope="row">
                <code>{field.name}</code>
              </th>
              <td>
                {field.before === undefined ? (
                  <Value value={field.value} />
                ) : (
                  <Change before={field.before} after={field.value} />
                )}
              </td>
              <td class="quiet">{atTarget[field.atTarget]}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Answer({ packet: { answer, status } }: { readonly packet: PacketStory }) {
  if (answer === undefined) return null;
  return (
    <section aria-labelledby="answer">
      <h2 id="answer">The target's answer</h2>
      <pre class={status === "HELD" ? "bad" : ""}>{indented(answer)}</pre>
    </section>
  );
}

function indented(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function SheetOf({ packet: { sheet, sheetHash, sheetIsCurrent } }: { readonly packet: PacketStory }) {
  const found = usePoll(sheet, (signal) => get<SheetText>(`/api/sheets/${encodeURIComponent(sheet)}`, {}, signal));
  return (
    <section aria-labelledby="sheet">
      <h2 id="sheet">Sheet</h2>
      <p>
        <a href={linkTo("sheets", sheet)}>{sheet}</a> <code title={sheetHash}>{shortHash(sheetHash)}</code>{" "}
        {sheetIsCurrent ? "is in force." : "is an older version; below is the one in force."}
      </p>
      {found.data && <pre>{found.data.text}</pre>}
      {found.problem && <p class="quiet">There is no sheet of that name in force.</p>}
    </section>
  );
}

interface ActProps {
  readonly packet: PacketStory;
  readonly onClose: () => void;
}

function Replay({ packet: { id, etag, status, sheetIsCurrent }, onClose }: ActProps) {
  const [sheet, setSheet] = useState<"pinned" | "current">("pinned");
  const [force, setForce] = useState(false);
  const act = async (reason: string) => {
    const done = await post<Done>(`/api/packets/${id}/replay`, { etag, sheet, force, reason });
    showToast(`${id} goes again.`);
    goTo("packets", done.packet.id);
  };
  return (
    <Ask title={status === "HELD" ? "Let it go again" : "Send it again"} verb="Replay" onClose={onClose} act={act}>
      <fieldset>
        <legend>With which sheet</legend>
        <label class="choice">
          <input type="radio" name="sheet" checked={sheet === "pinned"} onChange={() => setSheet("pinned")} />
          <span>
            Pinned <small>as it was made</small>
          </span>
        </label>
        <label class="choice">
          <input type="radio" name="sheet" checked={sheet === "current"} onChange={() => setSheet("current")} />
          <span>
            Current <small>{sheetIsCurrent ? "the same, as it stands" : "what today's sheet makes of its event"}</small>
          </span>
        </label>
      </fieldset>
      {status !== "HELD" && (
        <label class="choice">
          <input type="checkbox" checked={force} onChange={(event) => setForce(event.currentTarget.checked)} />
          <span>
            Force <small>even what the target is believed to hold</small>
          </span>
        </label>
      )}
    </Ask>
  );
}

function Discard({ packet: { id, etag }, onClose, refresh }: ActProps & { readonly refresh: () => void }) {
  const act = async (reason: string) => {
    await post(`/api/packets/${id}/discard`, { etag, reason });
    showToast(`${id} is discarded.`);
    refresh();
  };
  return (
    <Ask title="Discard this packet" verb="Discard" dangerous onClose={onClose} act={act}>
      <p>It is closed for good: it is not sent, and no replay sends it.</p>
    </Ask>
  );
}
