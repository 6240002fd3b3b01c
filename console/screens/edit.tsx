import { useState } from "preact/hooks";
import { type ProblemError, post } from "../api.ts";
import type { EditPreview, Fields, Json, OperationResult, PacketDetail } from "../api-types.ts";
import { StatusBadge } from "../parts/badge.tsx";
import { ReasonField } from "../parts/dialog.tsx";
import { Change, Governance } from "../parts/diff.tsx";
import { Icon } from "../parts/icon.tsx";
import { ProblemAlert } from "../parts/loading-states.tsx";
import { showToast } from "../parts/toast.tsx";
import { useAction } from "../poll.ts";
import { goTo } from "../route.ts";

/** A field in the form. Its value is text or JSON. */
interface EditedField {
  readonly key: number;
  readonly name: string;
  readonly text: string;
  readonly isText: boolean;
}

interface EditProps {
  readonly packet: PacketDetail;
  readonly onClose: () => void;
  readonly refresh: () => void;
}

/** Edits the fields of a held packet: preview first, then send. */
export function Edit({ packet, onClose, refresh }: EditProps) {
  const { fields, setField, removeField, addField, ...edit } = useEdit(packet);
  const send = (event: Event) => {
    event.preventDefault();
    void edit.send();
  };
  const canSend = edit.isValid && !edit.sending && edit.reason.trim() !== "";
  return (
    <section aria-labelledby="edit">
      <h2 id="edit">Edit</h2>
      <form class="edit" onSubmit={send}>
        {fields.map((field) => (
          <FieldRow
            key={field.key}
            field={field}
            onChange={(changed) => setField({ ...field, ...changed })}
            onRemove={() => removeField(field)}
          />
        ))}
        <div class="buttons">
          <button type="button" onClick={addField}>
            Add field
          </button>
        </div>
        <div class="preview" role="status">
          {edit.preview && <PreviewResult preview={edit.preview} />}
        </div>
        {!edit.conflict && <ProblemAlert problem={edit.problem} />}
        {edit.conflict && (
          <Conflict
            conflict={edit.conflict}
            isAccepted={edit.etag === edit.conflict.etag}
            onAccept={edit.acceptConflict}
            onShow={() => {
              refresh();
              onClose();
            }}
          />
        )}
        <ReasonField value={edit.reason} onInput={edit.setReason} />
        <div class="buttons">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="button" onClick={edit.loadPreview} disabled={edit.previewing || !edit.isValid}>
            Preview
          </button>
          <button type="submit" class="primary" disabled={!canSend}>
            Send replacement
          </button>
        </div>
      </form>
    </section>
  );
}

/** Holds an edit in progress and sends it to the API. */
function useEdit(packet: PacketDetail) {
  // The packet as it was when the edit began, so that a later change by someone else is reported.
  const [original] = useState(packet);
  const [etag, setEtag] = useState(packet.etag);
  const [fields, setFields] = useState<readonly EditedField[]>(() => original.fields.map(editedFieldOf));
  const [reason, setReason] = useState("");
  const [preview, setPreview] = useState<EditPreview>();
  const previewing = useAction();
  const sending = useAction();
  const conflict = sending.problem?.now ?? previewing.problem?.now;
  const path = `/api/packets/${original.id}/edit`;

  const changeFields = (changed: readonly EditedField[]) => {
    setPreview(undefined);
    setFields(changed);
  };
  return {
    etag,
    fields,
    reason,
    setReason,
    preview,
    conflict,
    problem: previewing.problem ?? sending.problem,
    previewing: previewing.busy,
    sending: sending.busy,
    isValid: fields.every((field) => fieldValue(field) !== undefined),
    setField: (changed: EditedField) =>
      changeFields(fields.map((field) => (field.key === changed.key ? changed : field))),
    removeField: (removed: EditedField) => changeFields(fields.filter(({ key }) => key !== removed.key)),
    addField: () => setFields([...fields, emptyFieldAfter(fields)]),
    acceptConflict: () => conflict && setEtag(conflict.etag),
    loadPreview: () =>
      previewing.run(async () => {
        // The API requires a reason. It is not stored with a dry run.
        const body = { etag, fields: fieldsOf(fields), reason: reason.trim() || "Preview of an edit", dryRun: true };
        setPreview(await post<EditPreview>(path, body));
      }),
    send: () =>
      sending.run(async () => {
        const body = { etag, fields: fieldsOf(fields), reason: reason.trim(), dryRun: false };
        const result = await post<OperationResult>(path, body);
        showToast(`Created the replacement ${result.packet.id}.`);
        goTo("packets", result.packet.id);
      }),
  };
}

interface ConflictProps {
  readonly conflict: NonNullable<ProblemError["now"]>;
  /** True once the edit is based on the packet's current version. */
  readonly isAccepted: boolean;
  readonly onAccept: () => void;
  readonly onShow: () => void;
}

/** Reports that someone else changed the packet first, and offers to continue from its current version. */
function Conflict({ conflict, isAccepted, onAccept, onShow }: ConflictProps) {
  return (
    <div class="problem" role="alert">
      <Icon name="warn" />
      <div>
        <strong>Someone else changed this packet first.</strong> Its status is now{" "}
        <StatusBadge status={conflict.packet.status} /> Your edit above has not been sent.{" "}
        <span class="buttons">
          {conflict.packet.may.includes("edit") ? (
            <button type="button" onClick={onAccept} disabled={isAccepted}>
              Edit the current version
            </button>
          ) : (
            <button type="button" onClick={onShow}>
              Show the current version
            </button>
          )}
        </span>
      </div>
    </div>
  );
}

interface FieldRowProps {
  readonly field: EditedField;
  readonly onChange: (changed: Partial<EditedField>) => void;
  readonly onRemove: () => void;
}

function FieldRow({ field: { key, name, text, isText }, onChange, onRemove }: FieldRowProps) {
  const isInvalid = !isText && parseJson(text) === undefined;
  return (
    <div class="edit-row">
      <div class="labeled">
        <label for={`name-${key}`}>Field</label>
        <input
          id={`name-${key}`}
          value={name}
          required
          spellcheck={false}
          onInput={(event) => onChange({ name: event.currentTarget.value })}
        />
      </div>
      <div class="labeled wide">
        <label for={`value-${key}`}>{isText ? "Text" : "Value (JSON)"}</label>
        <input
          id={`value-${key}`}
          value={text}
          spellcheck={false}
          aria-invalid={isInvalid}
          aria-describedby={isInvalid ? `error-${key}` : undefined}
          onInput={(event) => onChange({ text: event.currentTarget.value })}
        />
        {isInvalid && (
          <small id={`error-${key}`} class="bad-text">
            Not valid JSON. Text needs quotes.
          </small>
        )}
      </div>
      <button
        type="button"
        aria-pressed={!isText}
        title={isText ? "Enter a number, true, false, null, or other JSON" : "Enter text"}
        onClick={() => onChange({ isText: !isText })}
      >
        JSON
      </button>
      <button type="button" class="icon-button" aria-label={`Remove ${name}`} onClick={onRemove}>
        <Icon name="cross" />
      </button>
    </div>
  );
}

function PreviewResult({ preview: { changes, governance, held } }: { readonly preview: EditPreview }) {
  return (
    <>
      <h3>Preview</h3>
      {changes.length === 0 && <p>No fields change.</p>}
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
      {held !== undefined && <p class="bad-text">The replacement would be held: {held}.</p>}
    </>
  );
}

function editedFieldOf({ name, value }: { readonly name: string; readonly value: Json }, key: number): EditedField {
  const isText = typeof value === "string";
  return { key, name, isText, text: isText ? value : JSON.stringify(value) };
}

function emptyFieldAfter(fields: readonly EditedField[]): EditedField {
  return { key: Math.max(0, ...fields.map(({ key }) => key)) + 1, name: "", text: "", isText: true };
}

/** Returns the value that was entered, or undefined if it is not valid JSON. */
function fieldValue({ text, isText }: EditedField): Json | undefined {
  return isText ? text : parseJson(text);
}

function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

function fieldsOf(fields: readonly EditedField[]): Fields {
  return Object.fromEntries(fields.map((field) => [field.name, fieldValue(field) ?? null]));
}
