import { useEffect, useId, useState } from "preact/hooks";
import { get, post } from "../api.ts";
import type {
  Fields,
  Page,
  PreviewedEvent,
  PreviewedPacket,
  SheetCheck,
  SheetPreview,
  SheetText,
  SourceEvent,
} from "../api-types.ts";
import { clockTime, counted, formatCount, shortHash } from "../format.ts";
import { CopyableText } from "../parts/copy.tsx";
import { FieldsDiff, Governance } from "../parts/diff.tsx";
import { Icon } from "../parts/icon.tsx";
import { Empty, ProblemAlert, Skeleton } from "../parts/loading-states.tsx";
import { Ago } from "../parts/time.tsx";
import { useAction, usePoll } from "../poll.ts";
import { linkTo } from "../route.ts";

/** One sheet: its text, which can be edited as a copy, and a preview of the packets that either version creates. */
export function SheetScreen({ id }: { readonly id: string }) {
  const { data, problem } = usePoll(id, (signal) =>
    get<SheetText>(`/api/sheets/${encodeURIComponent(id)}`, {}, signal),
  );
  return (
    <>
      <a class="back" href={linkTo("sheets")}>
        <Icon name="back" /> Sheets
      </a>
      {!data && <h1>Sheet</h1>}
      <ProblemAlert problem={problem} />
      {!data && !problem && <Skeleton lines={12} />}
      {data && <SheetPreviewer key={data.hash} sheet={data} />}
    </>
  );
}

function SheetPreviewer({ sheet }: { readonly sheet: SheetText }) {
  const [text, setText] = useState(sheet.text);
  const isEdited = text !== sheet.text;
  const check = useCheck(sheet.name, isEdited ? text : undefined);
  return (
    <>
      <div class="title">
        <h1>{sheet.name}</h1>
        <p class="subtitle">
          <CopyableText text={sheet.hash} short={shortHash(sheet.hash)} name="sheet hash" />
        </p>
      </div>
      <div class="two even">
        <section aria-labelledby="text">
          <div class="title">
            <h2 id="text">{isEdited ? "Edited copy" : "Current version"}</h2>
            <div class="buttons small">
              {isEdited && (
                <button type="button" onClick={() => setText(sheet.text)}>
                  Restore the current version
                </button>
              )}
            </div>
          </div>
          <Editor text={text} onInput={setText} isInvalid={check?.ok === false} />
          <div role="status">
            {check ? (
              <CheckResult check={check} />
            ) : (
              <p class="quiet">Edit the text to try a change. The current sheet stays as it is.</p>
            )}
          </div>
        </section>
        <PreviewPanel sheet={sheet} editedText={isEdited ? text : undefined} isValid={check?.ok !== false} />
      </div>
    </>
  );
}

interface EditorProps {
  readonly text: string;
  readonly onInput: (text: string) => void;
  readonly isInvalid: boolean;
}

function Editor({ text, onInput, isInvalid }: EditorProps) {
  const lines = text.split("\n").length;
  return (
    <div class="editor">
      <pre aria-hidden="true">{Array.from({ length: lines }, (_, line) => line + 1).join("\n")}</pre>
      <textarea
        aria-label="Sheet text"
        aria-invalid={isInvalid}
        spellcheck={false}
        rows={Math.max(12, lines + 1)}
        value={text}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
    </div>
  );
}

/** Delay between the last keystroke and the check. ms */
const typingMs = 400;

/** Checks an edited sheet when typing stops. Returns undefined before the first result or if the sheet is not edited. */
function useCheck(name: string, text: string | undefined): SheetCheck | undefined {
  const [check, setCheck] = useState<{ readonly text: string; readonly result: SheetCheck }>();
  useEffect(() => {
    if (text === undefined) return;
    let isStale = false;
    const timer = setTimeout(async () => {
      const result = await post<SheetCheck>("/api/sheets/check", { name, text }).catch(() => undefined);
      if (!isStale && result) setCheck({ text, result });
    }, typingMs);
    return () => {
      isStale = true;
      clearTimeout(timer);
    };
  }, [name, text]);
  return text === undefined ? undefined : check?.result;
}

function CheckResult({ check: { ok, faults: errors, warnings, examples } }: { readonly check: SheetCheck }) {
  const failed = examples.filter((example) => example.faults.length > 0);
  return (
    <ul class="governance">
      {ok && (
        <li class="allow">
          <Icon name="check" /> No errors
          {examples.length > 0 && `; ${counted(examples.length, "example passes", "examples pass")}`}
        </li>
      )}
      {errors.map(({ line, message }) => (
        <li key={`${line} ${message}`} class="block">
          <Icon name="warn" />{" "}
          <span>
            line {line}: {message}
          </span>
        </li>
      ))}
      {failed.map(({ name, faults: reasons }) => (
        <li key={name} class="block">
          <Icon name="warn" />{" "}
          <span>
            example “{name}”: {reasons.join("; ")}
          </span>
        </li>
      ))}
      {warnings.map(({ line, message }) => (
        <li key={`${line} ${message}`} class="mask">
          <Icon name="warn" />{" "}
          <span>
            line {line}: {message}
          </span>
        </li>
      ))}
    </ul>
  );
}

/** Number of recorded events of each type that can be chosen one by one. */
const maxChoices = 20;
/** Numbers of recent events that can be tried at once. The largest is the API's limit. */
const batchSizes = [10, 50, 200] as const;
/** Most results that are shown. */
const maxShown = 20;

interface PreviewPanelProps {
  readonly sheet: SheetText;
  /** Text of the edited copy, if there is one. */
  readonly editedText: string | undefined;
  readonly isValid: boolean;
}

function PreviewPanel({ sheet, editedText, isValid }: PreviewPanelProps) {
  const selectId = useId();
  const recorded = usePoll(`events of ${sheet.name}`, async (signal) => {
    const pages = await Promise.all(
      sheet.sourceEvents.map((type) => get<Page<SourceEvent>>("/api/events", { type, limit: maxChoices }, signal)),
    );
    return pages.flatMap(({ items }) => items).filter(({ status }) => status !== "QUARANTINED");
  });
  const [chosen, setChosen] = useState("50");
  const [customText, setCustomText] = useState("");
  const [result, setResult] = useState<SheetPreview>();
  const { busy, problem, run } = useAction();
  const customEvent = chosen === "custom" ? eventIn(customText) : undefined;
  const loadPreview = () =>
    run(async () => {
      setResult(undefined);
      const events = await requestFor(chosen, customEvent);
      setResult(
        await post<SheetPreview>("/api/sheets/try", {
          name: sheet.name,
          ...(editedText !== undefined && { text: editedText }),
          ...events,
        }),
      );
    });
  return (
    <section aria-labelledby="try">
      <h2 id="try">Try an event</h2>
      <div class="try">
        <div class="labeled">
          <label for={selectId}>Event</label>
          <EventSelect id={selectId} events={recorded.data} chosen={chosen} onChange={setChosen} />
        </div>
        <button
          type="button"
          class="primary"
          onClick={loadPreview}
          disabled={busy || !isValid || (chosen === "custom" && !customEvent)}
        >
          Try
        </button>
      </div>
      {chosen === "custom" && (
        <div class="labeled">
          <label for={`${selectId}-custom`}>Event as JSON</label>
          <textarea
            id={`${selectId}-custom`}
            class="code"
            rows={5}
            spellcheck={false}
            value={customText}
            placeholder={`{ "type": "${sheet.sourceEvents[0]}", "data": { } }`}
            onInput={(event) => setCustomText(event.currentTarget.value)}
          />
        </div>
      )}
      <ProblemAlert problem={problem} />
      <div role="status">
        {!result && !problem && !busy && <p class="quiet">Trying an event records nothing and sends nothing.</p>}
        {busy && <Skeleton lines={3} />}
        {result && <PreviewResult result={result} isEdited={editedText !== undefined} />}
      </div>
    </section>
  );
}

interface EventSelectProps {
  readonly id: string;
  readonly events: readonly SourceEvent[] | undefined;
  readonly chosen: string;
  readonly onChange: (chosen: string) => void;
}

function EventSelect({ id, events, chosen, onChange }: EventSelectProps) {
  return (
    <select id={id} value={chosen} onChange={(event) => onChange(event.currentTarget.value)}>
      {batchSizes.map((size) => (
        <option key={size} value={String(size)}>
          Last {size} recorded events
        </option>
      ))}
      {events?.map(({ id: eventId, type, acceptedAt }) => (
        <option key={eventId} value={eventId}>
          {clockTime(Date.parse(acceptedAt))} {type} {eventId}
        </option>
      ))}
      <option value="custom">Custom event (JSON)</option>
    </select>
  );
}

/** Returns the events to try as fields of the API request. */
async function requestFor(chosen: string, customEvent: Fields | undefined): Promise<object> {
  const last = batchSizes.find((size) => String(size) === chosen);
  if (last !== undefined) return { last };
  if (customEvent) return { event: customEvent };
  const { type, source, time, subject, sequence, data, eventId } = await get<{
    readonly type: string;
    readonly source: string;
    readonly time?: string;
    readonly subject?: string;
    readonly sequence?: number;
    readonly data: Fields;
    readonly eventId: string;
  }>(`/api/events/${chosen}`);
  return { event: { id: eventId, type, source, time, subject, sequence, data } };
}

function eventIn(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
  } catch {
    return undefined;
  }
}

interface PreviewResultProps {
  readonly result: SheetPreview;
  readonly isEdited: boolean;
}

function PreviewResult({ result: { looked, changed, complete, events }, isEdited }: PreviewResultProps) {
  if (looked === 0) {
    return <Empty title="No recorded events of this sheet's types">Try a custom event.</Empty>;
  }
  const sorted = isEdited ? events.toSorted((a, b) => Number(a.same) - Number(b.same)) : events;
  return (
    <>
      <p>
        {counted(looked, "event")} tried
        {isEdited && `; the edited copy creates different packets for ${formatCount(changed)}`}
        {!complete && "; stopped at the time limit"}
        {events.length > maxShown && `; the first ${maxShown} are shown`}.
      </p>
      <ol class="results">
        {sorted.slice(0, maxShown).map((event, index) => (
          <EventResult key={event.id ?? index} event={event} isEdited={isEdited} />
        ))}
      </ol>
    </>
  );
}

interface EventResultProps {
  readonly event: PreviewedEvent;
  readonly isEdited: boolean;
}

function EventResult({ event: { id, type, acceptedAt, today, proposed, same }, isEdited }: EventResultProps) {
  const keyOf = ({ target, entity }: PreviewedPacket) => `${target} ${entity}`;
  const before = new Map((isEdited ? today : proposed).map((packet) => [keyOf(packet), packet]));
  const after = new Map(proposed.map((packet) => [keyOf(packet), packet]));
  const keys = [...new Set([...before.keys(), ...after.keys()])];
  return (
    <li>
      <p class="event-result">
        {id ? <a href={linkTo("events", id)}>{type}</a> : type} {acceptedAt && <Ago at={acceptedAt} />}
        {isEdited && <span class={same ? "quiet" : "bad-text"}>{same ? "same packets" : "different packets"}</span>}
      </p>
      {keys.length === 0 && <p class="quiet">No packets.</p>}
      {keys.map((key) => (
        <PacketComparison key={key} before={before.get(key)} after={after.get(key)} />
      ))}
    </li>
  );
}

interface PacketComparisonProps {
  readonly before: PreviewedPacket | undefined;
  readonly after: PreviewedPacket | undefined;
}

function PacketComparison({ before, after }: PacketComparisonProps) {
  const packet = after ?? before;
  if (!packet) return null;
  return (
    <div class="packet-result">
      <p>
        <strong>{packet.connector}</strong>{" "}
        <span class="quiet">
          {packet.target} · {packet.entity}
        </span>{" "}
        {!before && <span class="badge good">new</span>}
        {!after && <span class="badge bad">no longer created</span>}
        {packet.action === "delete" && <span class="badge warn">deletes the record</span>}
      </p>
      <FieldsDiff before={before?.fields ?? {}} after={after?.fields ?? {}} />
      {after?.unchanged && (
        <p class="quiet">Unchanged, sent only if the target is not known to hold it: {after.unchanged.join(", ")}.</p>
      )}
      {after && <Governance decisions={after.governance} />}
      {after?.held !== undefined && <p class="bad-text">It would be held: {after.held}.</p>}
    </div>
  );
}
