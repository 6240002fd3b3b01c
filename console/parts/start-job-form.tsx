import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { post } from "../api.ts";
import type { Job } from "../api-types.ts";
import { useAction } from "../poll.ts";
import { goTo } from "../route.ts";
import { RateField, rateOf } from "./dialog.tsx";
import { ProblemAlert } from "./loading-states.tsx";
import { showToast } from "./toast.tsx";

interface StartFormProps<T> {
  /** API path that starts the job or, with `dryRun`, previews it. */
  readonly path: string;
  /** Body of the request. Undefined while required input is missing. */
  readonly request: object | undefined;
  /** Label of the submit button. */
  readonly submitLabel: string;
  /** Returns the number of packets that a previewed job would process. If it is 0, the job cannot be started. */
  readonly packetsIn: (preview: T) => number;
  readonly children: ComponentChildren;
  readonly renderPreview: (preview: T) => ComponentChildren;
}

/** A form that starts a job. The job can be started only after a preview of exactly the same request. */
export function StartForm<T>({ path, request, submitLabel, packetsIn, children, renderPreview }: StartFormProps<T>) {
  const [rate, setRate] = useState("");
  const [previewed, setPreviewed] = useState<{ readonly requestKey: string; readonly preview: T }>();
  const previewing = useAction();
  const starting = useAction();
  const requestKey = JSON.stringify(request ?? null);
  const preview = previewed?.requestKey === requestKey ? previewed.preview : undefined;
  const loadPreview = () =>
    previewing.run(async () => {
      setPreviewed({ requestKey, preview: await post<T>(path, { ...request, dryRun: true }) });
    });
  const start = (event: Event) => {
    event.preventDefault();
    void starting.run(async () => {
      const { job } = await post<{ readonly job: Job }>(path, { ...request, ...rateOf(rate) });
      showToast(`Started ${job.id}.`);
      goTo("jobs");
    });
  };
  const canStart = preview !== undefined && packetsIn(preview) > 0;
  return (
    <>
      <form class="start" onSubmit={start}>
        {children}
        <RateField value={rate} onInput={setRate} />
        <div class="buttons whole">
          <button type="button" onClick={loadPreview} disabled={previewing.busy || request === undefined}>
            Preview
          </button>
          <button type="submit" class="primary" disabled={starting.busy || !canStart}>
            {submitLabel}
          </button>
          {preview === undefined && <p class="quiet">Preview the job first. A preview changes nothing.</p>}
        </div>
      </form>
      <ProblemAlert problem={previewing.problem ?? starting.problem} />
      <div role="status">
        {previewing.busy && <progress aria-label="Loading the preview" />}
        {preview !== undefined && (
          <section aria-labelledby="preview">
            <h2 id="preview">Preview</h2>
            {renderPreview(preview)}
          </section>
        )}
      </div>
    </>
  );
}

interface ChoiceProps {
  readonly name: string;
  readonly checked: boolean;
  readonly onChange: () => void;
  readonly label: string;
  /** Explanation of the option. */
  readonly children: string;
}

/** A radio button with an explanation. */
export function Choice({ name, checked, onChange, label, children }: ChoiceProps) {
  const id = useId();
  return (
    <label class="choice">
      <input type="radio" name={name} checked={checked} onChange={onChange} aria-describedby={id} />
      <span>
        {label} <small id={id}>{children}</small>
      </span>
    </label>
  );
}
