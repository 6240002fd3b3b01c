import { useState } from "preact/hooks";
import { post } from "../api.ts";
import type { BulkPreview, Job } from "../api-types.ts";
import { counted, formatCount } from "../format.ts";
import { RateField, ReasonField, rateOf } from "../parts/dialog.tsx";
import { Filter, filterOf } from "../parts/filter.tsx";
import { Empty, ProblemAlert } from "../parts/loading-states.tsx";
import { showToast } from "../parts/toast.tsx";
import { useAction } from "../poll.ts";
import { goTo, linkTo, type ScreenProps } from "../route.ts";

type BulkOperation = "release" | "discard";

const operationLabels = { release: "Release", discard: "Discard" } as const;
const previewVerbs = { release: "would be released", discard: "would be discarded" } as const;
const sheetLabels = { pinned: "Pinned", current: "Current" } as const;

/** Labels for the results of a preview that the API gives by name. It gives the others as sentences. */
const resultLabels: Readonly<Record<string, string>> = { goes: "released", "is discarded": "discarded" };

/** Releases or discards all held packets that match a filter: preview first, then run as a job. */
export function BulkScreen({ route: { query } }: ScreenProps) {
  return (
    <>
      <div class="title">
        <h1>Bulk</h1>
        <p class="subtitle">Releases or discards all held packets that match a filter.</p>
      </div>
      <Filter query={query} withStatus={false} />
      <BulkForm query={query} />
    </>
  );
}

function BulkForm({ query }: { readonly query: URLSearchParams }) {
  const [operation, setOperation] = useState<BulkOperation>("release");
  const [sheet, setSheet] = useState<"pinned" | "current">("pinned");
  const [rate, setRate] = useState("");
  const [reason, setReason] = useState("");
  const [previewed, setPreviewed] = useState<{ readonly requestKey: string; readonly preview: BulkPreview }>();
  const previewing = useAction();
  const starting = useAction();
  const filter = filterOf(query, { withStatus: false });
  const requestKey = JSON.stringify([query.toString(), operation, sheet]);
  const preview = previewed?.requestKey === requestKey ? previewed.preview : undefined;
  const bodyOf = (dryRun: boolean) => ({
    act: operation,
    filter,
    sheet,
    dryRun,
    // The API requires a reason. It is not stored with a dry run.
    reason: reason.trim() || "Preview of a bulk operation",
    ...rateOf(rate),
  });
  const loadPreview = () =>
    previewing.run(async () =>
      setPreviewed({ requestKey, preview: await post<BulkPreview>("/api/bulk", bodyOf(true)) }),
    );
  const start = (event: Event) => {
    event.preventDefault();
    void starting.run(async () => {
      const { job } = await post<{ job: Job }>("/api/bulk", bodyOf(false));
      showToast(`Started ${job.id}.`);
      goTo("jobs");
    });
  };
  const packets = preview ? counted(preview.made, "packet") : "packets";
  const canStart = preview !== undefined && preview.made > 0 && reason.trim() !== "";
  return (
    <>
      <form class="bulk" onSubmit={start}>
        <fieldset>
          <legend>Operation</legend>
          <Radios name="operation" labels={operationLabels} chosen={operation} onChange={setOperation} />
        </fieldset>
        <fieldset disabled={operation === "discard"}>
          <legend>Sheet version</legend>
          <Radios name="sheet" labels={sheetLabels} chosen={sheet} onChange={setSheet} />
        </fieldset>
        <RateField value={rate} onInput={setRate} />
        <ReasonField value={reason} onInput={setReason} />
        <div class="buttons">
          <button type="button" onClick={loadPreview} disabled={previewing.busy}>
            Preview
          </button>
          <button
            type="submit"
            class={operation === "discard" ? "danger" : "primary"}
            disabled={starting.busy || !canStart}
          >
            {operationLabels[operation]} {packets}
          </button>
        </div>
        {!preview && <p class="quiet">Preview the operation first. A preview changes nothing.</p>}
      </form>
      <ProblemAlert problem={previewing.problem ?? starting.problem} />
      <div role="status">{preview && <PreviewResult preview={preview} operation={operation} />}</div>
    </>
  );
}

interface RadiosProps<Choice extends string> {
  readonly name: string;
  readonly labels: Readonly<Record<Choice, string>>;
  readonly chosen: Choice;
  readonly onChange: (chosen: Choice) => void;
}

function Radios<Choice extends string>({ name, labels, chosen, onChange }: RadiosProps<Choice>) {
  return (Object.keys(labels) as Choice[]).map((choice) => (
    <label key={choice} class="choice">
      <input type="radio" name={name} checked={chosen === choice} onChange={() => onChange(choice)} />
      <span>{labels[choice]}</span>
    </label>
  ));
}

interface PreviewResultProps {
  readonly preview: BulkPreview;
  readonly operation: BulkOperation;
}

function PreviewResult({ preview: { looked, made, held, refused, samples }, operation }: PreviewResultProps) {
  if (looked === 0) return <Empty title="No held packets match this filter">Widen the filter and preview again.</Empty>;
  return (
    <section aria-labelledby="preview">
      <h2 id="preview">Preview</h2>
      <p>
        <strong>
          {formatCount(made)} of {counted(looked, "packet")}
        </strong>{" "}
        {previewVerbs[operation]}
        {held > 0 && `; ${formatCount(held)} of them would be held again`}.
      </p>
      <ul>
        {Object.entries(refused).map(([why, packets]) => (
          <li key={why}>
            {counted(packets, "packet")} would not change: {why}
          </li>
        ))}
      </ul>
      <table class="cards">
        <thead>
          <tr>
            <th scope="col">Example</th>
            <th scope="col">Entity</th>
            <th scope="col">Connector</th>
            <th scope="col">Result</th>
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
              <td data-label="Result">{resultLabels[fate] ?? fate}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
