import { useState } from "preact/hooks";
import { get, post } from "../api.ts";
import type { Field, OperationResult, PacketAction, PacketDetail, SheetText } from "../api-types.ts";
import { formatCount, formatDuration, shortHash } from "../format.ts";
import { StatusBadge } from "../parts/badge.tsx";
import { CopyableText } from "../parts/copy.tsx";
import { ReasonDialog } from "../parts/dialog.tsx";
import { Change, Value } from "../parts/diff.tsx";
import { Icon } from "../parts/icon.tsx";
import { ProblemAlert, Skeleton } from "../parts/loading-states.tsx";
import { Story } from "../parts/story.tsx";
import { Ago } from "../parts/time.tsx";
import { showToast } from "../parts/toast.tsx";
import { usePoll } from "../poll.ts";
import { goTo, linkTo } from "../route.ts";
import { Edit } from "./edit.tsx";

const everyMs = 2_000;

/** One packet: its fields, history and sheet, and the operations on it. */
export function PacketScreen({ id }: { readonly id: string }) {
  const polled = usePoll(
    id,
    (signal) => get<PacketDetail>(`/api/packets/${encodeURIComponent(id)}`, {}, signal),
    everyMs,
  );
  const [action, setAction] = useState<PacketAction>();
  const packet = polled.data;
  return (
    <>
      <a class="back" href={linkTo("packets")}>
        <Icon name="back" /> Packets
      </a>
      {!packet && <h1>Packet</h1>}
      <ProblemAlert problem={polled.problem} stale={packet !== undefined} />
      {!packet && !polled.problem && <Skeleton lines={12} />}
      {packet && (
        <>
          <PacketHeader packet={packet} action={action} setAction={setAction} />
          <div class="two">
            <div>
              {action === "edit" ? (
                <Edit packet={packet} onClose={() => setAction(undefined)} refresh={polled.refresh} />
              ) : (
                <FieldTable packet={packet} />
              )}
              <TargetResponse packet={packet} />
              <PacketSheet packet={packet} />
            </div>
            <section aria-labelledby="story">
              <h2 id="story">History</h2>
              <Story steps={packet.story} />
            </section>
          </div>
          {action === "replay" && <ReplayDialog packet={packet} onClose={() => setAction(undefined)} />}
          {action === "discard" && (
            <DiscardDialog packet={packet} onClose={() => setAction(undefined)} refresh={polled.refresh} />
          )}
        </>
      )}
    </>
  );
}

interface PacketHeaderProps {
  readonly packet: PacketDetail;
  readonly action: PacketAction | undefined;
  readonly setAction: (action: PacketAction) => void;
}

const actions = [
  ["edit", "sheet"],
  ["replay", "again"],
  ["discard", "cross"],
] as const;

/** Returns the label of an action. The API's `replay` releases a held packet and replays a closed one. */
function labelOf(action: PacketAction, { status }: PacketDetail): string {
  if (action === "replay") return status === "HELD" ? "Release" : "Replay";
  return action === "edit" ? "Edit" : "Discard";
}

function PacketHeader({ packet, action, setAction }: PacketHeaderProps) {
  const { id, status, reason, may } = packet;
  return (
    <>
      <div class="title">
        <h1 class="with-badge">
          <StatusBadge status={status} /> <CopyableText text={id} name="packet ID" />
        </h1>
        <div class="buttons">
          {actions
            .filter(([name]) => may.includes(name))
            .map(([name, icon]) => (
              <button
                key={name}
                type="button"
                class={name === "edit" ? "primary" : ""}
                aria-pressed={name === "edit" ? action === "edit" : undefined}
                onClick={() => setAction(name)}
              >
                <Icon name={icon} /> {labelOf(name, packet)}
              </button>
            ))}
        </div>
      </div>
      {reason !== undefined && <p class={status === "HELD" ? "reason held" : "reason"}>{reason}</p>}
      <PacketFacts packet={packet} />
    </>
  );
}

function PacketFacts({ packet }: { readonly packet: PacketDetail }) {
  const { connector, entity, event, eventType, sheet, target, recordedAt, lagMs, windowMs } = packet;
  const { tries, nextTryAt, delivery, job } = packet;
  return (
    <dl class="facts">
      <Fact label="Connector">
        <a href={linkTo("packets", undefined, { connector })}>{connector}</a>
      </Fact>
      <Fact label="Entity">
        <CopyableText text={entity} name="entity" />
      </Fact>
      <Fact label="Target">
        <a href={linkTo("sheets", sheet)}>
          {sheet}.{target}
        </a>
      </Fact>
      <Fact label="Event">
        <a href={linkTo("events", event)}>{eventType}</a>
      </Fact>
      <Fact label="Recorded">
        <Ago at={recordedAt} />
      </Fact>
      <Fact label="Lag">
        {lagMs === undefined ? "open" : formatDuration(lagMs)}{" "}
        <span class="quiet">(window: {formatDuration(windowMs)})</span>
      </Fact>
      <Fact label="Attempts">
        {formatCount(tries)}
        {nextTryAt !== undefined && (
          <>
            , next <Ago at={nextTryAt} />
          </>
        )}
      </Fact>
      {delivery && (
        <Fact label="Acknowledged">
          {delivery.status !== undefined && `HTTP ${delivery.status}, `}
          {formatDuration(delivery.ms)}
          {delivery.remoteId !== undefined && `, remote ID ${delivery.remoteId}`}
        </Fact>
      )}
      <RelatedPackets packet={packet} />
      {job !== undefined && (
        <Fact label="Job">
          <a href={linkTo("jobs")}>{job}</a>
        </Fact>
      )}
    </dl>
  );
}

function RelatedPackets({ packet: { behind, replayOf, replaces, replacedBy } }: { readonly packet: PacketDetail }) {
  const related = [
    ["Replaces", replaces],
    ["Replaced by", replacedBy],
    ["Replay of", replayOf],
    ["Waits behind", behind],
  ] as const;
  return related.map(
    ([label, other]) =>
      other !== undefined && (
        <Fact key={label} label={label}>
          <a href={linkTo("packets", other)}>
            <code>{other}</code>
          </a>
        </Fact>
      ),
  );
}

function Fact({ label, children }: { readonly label: string; readonly children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

const atTargetLabels = { this: "holds this value", another: "holds another value", unknown: "unknown" } as const;

function FieldTable({ packet: { fields, action } }: { readonly packet: PacketDetail }) {
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
              <td class="quiet">{atTargetLabels[field.atTarget]}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function TargetResponse({ packet: { answer, status } }: { readonly packet: PacketDetail }) {
  if (answer === undefined) return null;
  return (
    <section aria-labelledby="answer">
      <h2 id="answer">Target response</h2>
      <pre class={status === "HELD" ? "bad" : ""}>{indentJson(answer)}</pre>
    </section>
  );
}

function indentJson(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function PacketSheet({ packet: { sheet, sheetHash, sheetIsCurrent } }: { readonly packet: PacketDetail }) {
  const current = usePoll(sheet, (signal) => get<SheetText>(`/api/sheets/${encodeURIComponent(sheet)}`, {}, signal));
  return (
    <section aria-labelledby="sheet">
      <h2 id="sheet">Sheet</h2>
      <p>
        <a href={linkTo("sheets", sheet)}>{sheet}</a> <code title={sheetHash}>{shortHash(sheetHash)}</code>{" "}
        {sheetIsCurrent ? "is the current version." : "is an older version. The current version is shown below."}
      </p>
      {current.data && <pre>{current.data.text}</pre>}
      {current.problem && <p class="quiet">No current sheet has this name.</p>}
    </section>
  );
}

interface PacketDialogProps {
  readonly packet: PacketDetail;
  readonly onClose: () => void;
}

function ReplayDialog({ packet: { id, etag, status, sheetIsCurrent }, onClose }: PacketDialogProps) {
  const [sheet, setSheet] = useState<"pinned" | "current">("pinned");
  const [force, setForce] = useState(false);
  const isHeld = status === "HELD";
  const replay = async (reason: string) => {
    const result = await post<OperationResult>(`/api/packets/${id}/replay`, { etag, sheet, force, reason });
    showToast(`${isHeld ? "Released" : "Replayed"} ${id}.`);
    goTo("packets", result.packet.id);
  };
  return (
    <ReasonDialog
      title={isHeld ? "Release this packet" : "Replay this packet"}
      verb={isHeld ? "Release" : "Replay"}
      onClose={onClose}
      run={replay}
    >
      <fieldset>
        <legend>Sheet version</legend>
        <label class="choice">
          <input type="radio" name="sheet" checked={sheet === "pinned"} onChange={() => setSheet("pinned")} />
          <span>
            Pinned <small>the version that created this packet</small>
          </span>
        </label>
        <label class="choice">
          <input type="radio" name="sheet" checked={sheet === "current"} onChange={() => setSheet("current")} />
          <span>
            Current <small>{sheetIsCurrent ? "the same version" : "maps the event again with the current sheet"}</small>
          </span>
        </label>
      </fieldset>
      {!isHeld && (
        <label class="choice">
          <input type="checkbox" checked={force} onChange={(event) => setForce(event.currentTarget.checked)} />
          <span>
            Force <small>also sends values that the target is known to hold</small>
          </span>
        </label>
      )}
    </ReasonDialog>
  );
}

function DiscardDialog({
  packet: { id, etag },
  onClose,
  refresh,
}: PacketDialogProps & { readonly refresh: () => void }) {
  const discard = async (reason: string) => {
    await post(`/api/packets/${id}/discard`, { etag, reason });
    showToast(`Discarded ${id}.`);
    refresh();
  };
  return (
    <ReasonDialog title="Discard this packet" verb="Discard" dangerous onClose={onClose} run={discard}>
      <p>Closes the packet permanently. It is not sent, and replays skip it.</p>
    </ReasonDialog>
  );
}
