import { useEffect, useId, useState } from "preact/hooks";
import { get, post } from "../api.ts";
import type {
  Fields,
  Page,
  SheetCheck,
  SheetText,
  SheetTrial,
  SourceEvent,
  TriedEvent,
  TriedPacket,
} from "../api-types.ts";
import { clockTime, count, counted, shortHash } from "../format.ts";
import { Copied } from "../parts/copy.tsx";
import { FieldsDiff, Governance } from "../parts/diff.tsx";
import { Icon } from "../parts/icon.tsx";
import { Empty, Fault, Skeleton } from "../parts/loading-states.tsx";
import { Ago } from "../parts/time.tsx";
import { useDoing, usePoll } from "../poll.ts";
import { linkTo } from "../route.ts";

/** One sheet: its text, a copy to change, and what either makes of an event. */
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
      <Fault problem={problem} />
      {!data && !problem && <Skeleton lines={12} />}
      {data && <Bench key={data.hash} sheet={data} />}
    </>
  );
}

function Bench({ sheet }: { readonly sheet: SheetText }) {
  const [text, setText] = useState(sheet.text);
  const edited = text !== sheet.text;
  const check = useCheck(sheet.name, edited ? text : undefined);
  return (
    <>
      <div class="title">
        <h1>{sheet.name}</h1>
        <p class="verdict">
          <Copied text={sheet.hash} short={shortHash(sheet.hash)} what="sheet's hash" />
        </p>
      </div>
      <div class="two even">
        <section aria-labelledby="text">
          <div class="title">
            <h2 id="text">{edited ? "Edited copy" : "In force"}</h2>
            <div class="buttons small">
              {edited && (
                <button type="button" onClick={() => setText(sheet.text)}>
                  Back to the one in force
                </button>
              )}
            </div>
          </div>
          <Editor text={text} onInput={setText} faulty={check?.ok === false} />
          <div role="status">
            {check ? (
              <Faults check={check} />
            ) : (
              <p class="quiet">Change the text to try another sheet; nothing is taken up from here.</p>
            )}
          </div>
        </section>
        <Trying sheet={sheet} text={edited ? text : undefined} usable={check?.ok !== false} />
      </div>
    </>
  );
}

interface EditorProps {
  readonly text: string;
  readonly onInput: (text: string) => void;
  readonly faulty: boolean;
}

function Editor({ text, onInput, faulty }: EditorProps) {
  const lines = text.split("\n").length;
  return (
    <div class="editor">
      <pre aria-hidden="true">{Array.from({ length: lines }, (_, line) => line + 1).join("\n")}</pre>
      <textarea
        aria-label="The sheet's text"
        aria-invalid={faulty}
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

function useCheck(name: string, text: string | undefined): SheetCheck | undefined {
  const [check, setCheck] = useState<{ readonly text: string; readonly found: SheetCheck }>();
  useEffect(() => {
    if (text === undefined) return;
    let gone = false;
    const timer = setTimeout(async () => {
      const found = await post<SheetCheck>("/api/sheets/check", { name, text }).catch(() => undefined);
      if (!gone && found) setCheck({ text, found });
    }, typingMs);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [name, text]);
  return text === undefined ? undefined : check?.found;
}

function Faults({ check: { ok, faults, warnings, examples } }: { readonly check: SheetCheck }) {
  const failed = examples.filter((example) => example.faults.length > 0);
  return (
    <ul class="governance">
      {ok && (
        <li class="allow">
          <Icon name="check" /> No faults{examples.length > 0 && `; ${counted(examples.length, "example")} pass`}
        </li>
      )}
      {faults.map(({ line, message }) => (
        <li key={`${line} ${message}`} class="block">
          <Icon name="warn" />{" "}
          <span>
            line {line}: {message}
          </span>
        </li>
      ))}
      {failed.map(({ name, faults: why }) => (
        <li key={name} class="block">
          <Icon name="warn" />{" "}
          <span>
            example “{name}”: {why.join("; ")}
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

/** Number of recorded events offered one by one. */
const offered = 20;
/** Numbers of recent events that can be tried at once; the largest is the API's limit. */
const lastOnes = [10, 50, 200] as const;
/** Number of results shown. */
const shownAtMost = 20;

interface TryingProps {
  readonly sheet: SheetText;
  /** The edited copy, where there is one. */
  readonly text: string | undefined;
  readonly usable: boolean;
}

function Trying({ sheet, text, usable }: TryingProps) {
  const chooser = useId();
  const events = usePoll(`events of ${sheet.name}`, async (signal) => {
    const pages = await Promise.all(
      sheet.sourceEvents.map((type) => get<Page<SourceEvent>>("/api/events", { type, limit: offered }, signal)),
    );
    return pages.flatMap(({ items }) => items).filter(({ status }) => status !== "QUARANTINED");
  });
  const [chosen, setChosen] = useState("50");
  const [own, setOwn] = useState("");
  const [result, setResult] = useState<SheetTrial>();
  const { busy, problem, run } = useDoing();
  const ownEvent = chosen === "own" ? eventIn(own) : undefined;
  const attempt = () =>
    run(async () => {
      setResult(undefined);
      const what = await eventToTry(chosen, ownEvent);
      setResult(
        await post<SheetTrial>("/api/sheets/try", { name: sheet.name, ...(text !== undefined && { text }), ...what }),
      );
    });
  return (
    <section aria-labelledby="try">
      <h2 id="try">Try an event</h2>
      <div class="try">
        <div class="labelled">
          <label for={chooser}>Event</label>
          <EventSelect id={chooser} events={events.data} chosen={chosen} onChange={setChosen} />
        </div>
        <button
          type="button"
          class="primary"
          onClick={attempt}
          disabled={busy || !usable || (chosen === "own" && !ownEvent)}
        >
          Try
        </button>
      </div>
      {chosen === "own" && (
        <div class="labelled">
          <label for={`${chooser}-own`}>The event</label>
          <textarea
            id={`${chooser}-own`}
            class="code"
            rows={5}
            spellcheck={false}
            value={own}
            placeholder={`{ "type": "${sheet.sourceEvents[0]}", "data": { } }`}
            onInput={(event) => setOwn(event.currentTarget.value)}
          />
        </div>
      )}
      <Fault problem={problem} />
      <div role="status">
        {!result && !problem && !busy && <p class="quiet">Nothing is recorded or sent by trying.</p>}
        {busy && <Skeleton lines={3} />}
        {result && <Result result={result} edited={text !== undefined} />}
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
      {lastOnes.map((last) => (
        <option key={last} value={String(last)}>
          The last {last} recorded
        </option>
      ))}
      {events?.map(({ id: eventId, type, acceptedAt }) => (
        <option key={eventId} value={eventId}>
          {clockTime(Date.parse(acceptedAt))} {type} {eventId}
        </option>
      ))}
      <option value="own">One of my own, as JSON</option>
    </select>
  );
}

async function eventToTry(chosen: string, own: Fields | undefined): Promise<object> {
  const last = lastOnes.find((one) => String(one) === chosen);
  if (last !== undefined) return { last };
  if (own) return { event: own };
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

function Result({
  result: { looked, changed, complete, events },
  edited,
}: {
  readonly result: SheetTrial;
  readonly edited: boolean;
}) {
  if (looked === 0) {
    return <Empty title="No recorded events of this sheet's types">Try one of your own, as JSON.</Empty>;
  }
  const shown = edited ? events.toSorted((a, b) => Number(a.same) - Number(b.same)) : events;
  return (
    <>
      <p>
        {counted(looked, "event")} tried
        {edited && `; the edited copy makes other packets of ${count(changed)}`}
        {!complete && "; more would have taken too long"}
        {events.length > shownAtMost && `; ${shownAtMost} are shown, those that differ first`}.
      </p>
      <ol class="tried">
        {shown.slice(0, shownAtMost).map((tried, at) => (
          <Tried key={tried.id ?? at} tried={tried} edited={edited} />
        ))}
      </ol>
    </>
  );
}

function Tried({
  tried: { id, type, acceptedAt, today, proposed, same },
  edited,
}: {
  readonly tried: TriedEvent;
  readonly edited: boolean;
}) {
  const placeOf = ({ target, entity }: TriedPacket) => `${target} ${entity}`;
  const before = new Map((edited ? today : proposed).map((packet) => [placeOf(packet), packet]));
  const after = new Map(proposed.map((packet) => [placeOf(packet), packet]));
  const places = [...new Set([...before.keys(), ...after.keys()])];
  return (
    <li>
      <p class="tried-event">
        {id ? <a href={linkTo("events", id)}>{type}</a> : type} {acceptedAt && <Ago at={acceptedAt} />}
        {edited && <span class={same ? "quiet" : "bad-text"}>{same ? "the same packets" : "other packets"}</span>}
      </p>
      {places.length === 0 && <p class="quiet">No packet.</p>}
      {places.map((place) => (
        <TriedPackets key={place} before={before.get(place)} after={after.get(place)} />
      ))}
    </li>
  );
}

function TriedPackets({
  before,
  after,
}: {
  readonly before: TriedPacket | undefined;
  readonly after: TriedPacket | undefined;
}) {
  const one = after ?? before;
  if (!one) return null;
  return (
    <div class="tried-packet">
      <p>
        <strong>{one.connector}</strong>{" "}
        <span class="quiet">
          {one.target} · {one.entity}
        </span>{" "}
        {!before && <span class="badge good">new</span>}
        {!after && <span class="badge bad">no longer made</span>}
        {one.action === "delete" && <span class="badge warn">deletes</span>}
      </p>
      <FieldsDiff before={before?.fields ?? {}} after={after?.fields ?? {}} />
      {after && <Governance decisions={after.governance} />}
      {after?.held !== undefined && <p class="bad-text">It would be held: {after.held}.</p>}
    </div>
  );
}
