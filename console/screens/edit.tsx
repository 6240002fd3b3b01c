import { useState } from "preact/hooks";
import { type ProblemError, post } from "../api.ts";
import type { Done, EditTrial, Fields, Json, PacketStory } from "../api-types.ts";
import { StatusBadge } from "../parts/badge.tsx";
import { Reason } from "../parts/dialog.tsx";
import { Change, Governance } from "../parts/diff.tsx";
import { Icon } from "../parts/icon.tsx";
import { Fault } from "../parts/loading-states.tsx";
import { showToast } from "../parts/toast.tsx";
import { useDoing } from "../poll.ts";
import { goTo } from "../route.ts";

/** A field as it is being edited: a text stays a text, everything else is JSON. */
interface Draft {
  readonly key: number;
  readonly name: string;
  readonly text: string;
  readonly isText: boolean;
}

interface EditProps {
  readonly packet: PacketStory;
  readonly onClose: () => void;
  readonly refresh: () => void;
}

/** Edits the fields of a held packet: preview first, then send. */
export function Edit({ packet, onClose, refresh }: EditProps) {
  // The packet as the operator first saw it, so that a later change by someone else is reported.
  const [seen] = useState(packet);
  const [etag, setEtag] = useState(packet.etag);
  const [drafts, setDrafts] = useState<readonly Draft[]>(() => seen.fields.map(draftOf));
  const [reason, setReason] = useState("");
  const [trial, setTrial] = useState<EditTrial>();
  const looking = useDoing();
  const sending = useDoing();
  const faults = drafts.filter((draft) => valueIn(draft) === undefined).map(({ name }) => name);
  const conflict = sending.problem?.now ?? looking.problem?.now;

  const change = (key: number, part: Partial<Draft>) => {
    setTrial(undefined);
    setDrafts(drafts.map((draft) => (draft.key === key ? { ...draft, ...part } : draft)));
  };
  const submit = (dryRun: boolean) => ({
    etag,
    fields: fieldsOf(drafts),
    reason: reason.trim() || "a look at what it would come to",
    dryRun,
  });
  const look = () =>
    looking.run(async () => setTrial(await post<EditTrial>(`/api/packets/${seen.id}/edit`, submit(true))));
  const send = (event: Event) => {
    event.preventDefault();
    void sending.run(async () => {
      const done = await post<Done>(`/api/packets/${seen.id}/edit`, submit(false));
      showToast(`${done.packet.id} is sent in its place.`);
      goTo("packets", done.packet.id);
    });
  };

  return (
    <section aria-labelledby="edit">
      <h2 id="edit">Edit</h2>
      <form class="edit" onSubmit={send}>
        {drafts.map((draft) => (
          <DraftRow
            key={draft.key}
            draft={draft}
            onChange={(part) => change(draft.key, part)}
            onRemove={() => {
              setTrial(undefined);
              setDrafts(drafts.filter(({ key }) => key !== draft.key));
            }}
          />
        ))}
        <div class="buttons">
          <button
            type="button"
            onClick={() =>
              setDrafts([
                ...drafts,
                { key: Math.max(0, ...drafts.map(({ key }) => key)) + 1, name: "", text: "", isText: true },
              ])
            }
          >
            Add a field
          </button>
        </div>
        <div class="preview" role="status">
          {trial && <Trial trial={trial} />}
        </div>
        {!conflict && <Fault problem={looking.problem ?? sending.problem} />}
        {conflict && (
          <Conflict
            conflict={conflict}
            isTaken={etag === conflict.etag}
            onTake={() => setEtag(conflict.etag)}
            onShow={() => {
              refresh();
              onClose();
            }}
          />
        )}
        <Reason value={reason} onInput={setReason} />
        <div class="buttons">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="button" onClick={look} disabled={looking.busy || faults.length > 0}>
            Preview
          </button>
          <button type="submit" class="primary" disabled={sending.busy || faults.length > 0 || reason.trim() === ""}>
            Send in its place
          </button>
        </div>
      </form>
    </section>
  );
}

interface ConflictProps {
  readonly conflict: NonNullable<ProblemError["now"]>;
  /** True once the edit is based on the version that won. */
  readonly isTaken: boolean;
  readonly onTake: () => void;
  readonly onShow: () => void;
}

/** Reports that another change to the packet came first, and offers to continue from it. */
function Conflict({ conflict, isTaken, onTake, onShow }: ConflictProps) {
  return (
    <div class="fault" role="alert">
      <Icon name="warn" />
      <div>
        <strong>Somebody else was faster.</strong> The packet is <StatusBadge status={conflict.packet.status} /> now;
        what you typed stands above, and is not sent.{" "}
        <span class="buttons">
          {conflict.packet.may.includes("edit") ? (
            <button type="button" onClick={onTake} disabled={isTaken}>
              Edit it as it stands now
            </button>
          ) : (
            <button type="button" onClick={onShow}>
              Show it as it stands now
            </button>
          )}
        </span>
      </div>
    </div>
  );
}

interface DraftRowProps {
  readonly draft: Draft;
  readonly onChange: (part: Partial<Draft>) => void;
  readonly onRemove: () => void;
}

function DraftRow({ draft: { key, name, text, isText }, onChange, onRemove }: DraftRowProps) {
  const faulty = !isText && jsonIn(text) === undefined;
  return (
    <div class="draft">
      <div class="labelled">
        <label for={`name-${key}`}>Field</label>
        <input
          id={`name-${key}`}
          value={name}
          required
          spellcheck={false}
          onInput={(event) => onChange({ name: event.currentTarget.value })}
        />
      </div>
      <div class="labelled wide">
        <label for={`value-${key}`}>{isText ? "Text" : "Value, as JSON"}</label>
        <input
          id={`value-${key}`}
          value={text}
          spellcheck={false}
          aria-invalid={faulty}
          aria-describedby={faulty ? `fault-${key}` : undefined}
          onInput={(event) => onChange({ text: event.currentTarget.value })}
        />
        {faulty && (
          <small id={`fault-${key}`} class="bad-text">
            is no JSON; a text is written in quotes
          </small>
        )}
      </div>
      <button
        type="button"
        aria-pressed={!isText}
        title={isText ? "Write a number, true, null …" : "Write a text"}
        onClick={() => onChange({ isText: !isText })}
      >
        JSON
      </button>
      <button type="button" class="icon-button" aria-label={`Leave out ${name}`} onClick={onRemove}>
        <Icon name="cross" />
      </button>
    </div>
  );
}

function Trial({ trial: { changes, governance, held } }: { readonly trial: EditTrial }) {
  return (
    <>
      <h3>What it would come to</h3>
      {changes.length === 0 && <p>The same fields as before.</p>}
      <dl class="fields-diff">
        {changes.map(({ field, before, after }) => (
          <div key={field}>
            <dt>
              <code>{field}</code>
            </dt>
            <dd>
              <Change before={before} after={after} />
            </dd>
          </div>
        ))}
      </dl>
      <Governance decisions={governance} />
      {held !== undefined && <p class="bad-text">It would be held again: {held}.</p>}
    </>
  );
}

function draftOf({ name, value }: { readonly name: string; readonly value: Json }, key: number): Draft {
  const isText = typeof value === "string";
  return { key, name, isText, text: isText ? value : JSON.stringify(value) };
}

function valueIn({ text, isText }: Draft): Json | undefined {
  return isText ? text : jsonIn(text);
}

function jsonIn(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

function fieldsOf(drafts: readonly Draft[]): Fields {
  return Object.fromEntries(drafts.map((draft) => [draft.name, valueIn(draft) ?? null]));
}
