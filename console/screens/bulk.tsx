import { useState } from "preact/hooks";
import { post } from "../api.ts";
import type { BulkTrial, Job } from "../api-types.ts";
import { count, counted } from "../format.ts";
import { Rate, Reason, rateOf } from "../parts/dialog.tsx";
import { Filter, filterOf } from "../parts/filter.tsx";
import { Empty, Fault } from "../parts/loading-states.tsx";
import { showToast } from "../parts/toast.tsx";
import { useDoing } from "../poll.ts";
import { goTo, linkTo, type ScreenProps } from "../route.ts";

type BulkAct = "release" | "discard";

const acts = {
  release: { word: "Let go again", verb: "Let them go again", sentence: "would go again" },
  discard: { word: "Discard", verb: "Discard them", sentence: "would be discarded" },
} as const;

const actWords = { release: acts.release.word, discard: acts.discard.word };
const sheetWords = { pinned: "Pinned", current: "Current" };

/** Releases or discards all held packets that match a filter: preview first, then run as a job. */
export function BulkScreen({ route: { query } }: ScreenProps) {
  const [act, setAct] = useState<BulkAct>("release");
  const [sheet, setSheet] = useState<"pinned" | "current">("pinned");
  const [rate, setRate] = useState("");
  const [reason, setReason] = useState("");
  const [trial, setTrial] = useState<{ readonly of: string; readonly found: BulkTrial }>();
  const looking = useDoing();
  const starting = useDoing();
  const filter = filterOf(query, { withStatus: false });
  const asked = JSON.stringify([query.toString(), act, sheet]);
  const found = trial?.of === asked ? trial.found : undefined;
  const body = (dryRun: boolean) => ({
    act,
    filter,
    sheet,
    dryRun,
    reason: reason.trim() || "a look at what it would come to",
    ...rateOf(rate),
  });
  const look = () =>
    looking.run(async () => setTrial({ of: asked, found: await post<BulkTrial>("/api/bulk", body(true)) }));
  const start = (event: Event) => {
    event.preventDefault();
    void starting.run(async () => {
      const { job } = await post<{ job: Job }>("/api/bulk", body(false));
      showToast(`${job.id} has begun.`);
      goTo("jobs");
    });
  };
  return (
    <>
      <div class="title">
        <h1>Bulk</h1>
        <p class="verdict">The same for all held packets that fit a filter.</p>
      </div>
      <Filter query={query} withStatus={false} />
      <form class="bulk" onSubmit={start}>
        <fieldset>
          <legend>What is done</legend>
          <Radios name="act" words={actWords} chosen={act} onChange={setAct} />
        </fieldset>
        <fieldset disabled={act === "discard"}>
          <legend>With which sheet</legend>
          <Radios name="sheet" words={sheetWords} chosen={sheet} onChange={setSheet} />
        </fieldset>
        <Rate value={rate} onInput={setRate} />
        <Reason value={reason} onInput={setReason} />
        <div class="buttons">
          <button type="button" onClick={look} disabled={looking.busy}>
            Preview
          </button>
          <button
            type="submit"
            class={act === "discard" ? "danger" : "primary"}
            disabled={starting.busy || found === undefined || found.made === 0 || reason.trim() === ""}
          >
            {found ? `${acts[act].verb}: ${count(found.made)}` : acts[act].verb}
          </button>
        </div>
        {!found && <p class="quiet">Preview first: it says how many packets it would be done to, and does nothing.</p>}
      </form>
      <Fault problem={looking.problem ?? starting.problem} />
      <div role="status">{found && <Trial trial={found} act={act} />}</div>
    </>
  );
}

interface RadiosProps<Choice extends string> {
  readonly name: string;
  readonly words: Readonly<Record<Choice, string>>;
  readonly chosen: Choice;
  readonly onChange: (chosen: Choice) => void;
}

function Radios<Choice extends string>({ name, words, chosen, onChange }: RadiosProps<Choice>) {
  return (Object.keys(words) as Choice[]).map((choice) => (
    <label key={choice} class="choice">
      <input type="radio" name={name} checked={chosen === choice} onChange={() => onChange(choice)} />
      <span>{words[choice]}</span>
    </label>
  ));
}

function Trial({
  trial: { looked, made, held, refused, samples },
  act,
}: {
  readonly trial: BulkTrial;
  readonly act: BulkAct;
}) {
  if (looked === 0) return <Empty title="No held packet fits this filter">Widen the filter, and preview again.</Empty>;
  return (
    <section aria-labelledby="trial">
      <h2 id="trial">What it would come to</h2>
      <p>
        <strong>{counted(made, "packet")}</strong> of {count(looked)} {acts[act].sentence}
        {held > 0 && `; ${count(held)} of them would be held again`}.
      </p>
      <ul>
        {Object.entries(refused).map(([why, many]) => (
          <li key={why}>
            {counted(many, "packet")} would stay: {why}
          </li>
        ))}
      </ul>
      <table class="cards">
        <thead>
          <tr>
            <th scope="col">For example</th>
            <th scope="col">Entity</th>
            <th scope="col">Connector</th>
            <th scope="col">What becomes of it</th>
          </tr>
        </thead>
        <tbody>
          {samples.map(({ packet: { id, entity, connector }, fate }) => (
            <tr key={id}>
              <th scope="row" class="lead">
                <a href={linkTo("packets", id)} data-row>
                  <code>{id}</code>
                </a>
              </th>
              <td data-label="Entity">{entity}</td>
              <td data-label="Connector">{connector}</td>
              <td data-label="What becomes of it">{fate}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
