import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { post } from "../api.ts";
import type { Job } from "../api-types.ts";
import { useDoing } from "../poll.ts";
import { goTo } from "../route.ts";
import { Rate, rateOf } from "./dialog.tsx";
import { Fault } from "./loading-states.tsx";
import { showToast } from "./toast.tsx";

interface StartFormProps<T> {
  /** API path that starts the job, and previews it with `dryRun`. */
  readonly path: string;
  /** Body of the request. Absent while something is missing. */
  readonly request: object | undefined;
  readonly verb: string;
  /** Number of packets the preview would make. With 0 the job cannot be started. */
  readonly madeIn: (trial: T) => number;
  readonly children: ComponentChildren;
  readonly showTrial: (trial: T) => ComponentChildren;
}

/** A form that says first what it would come to, and then begins it as a job. What was looked at is what is begun. */
export function StartForm<T>({ path, request, verb, madeIn, children, showTrial }: StartFormProps<T>) {
  const [rate, setRate] = useState("");
  const [trial, setTrial] = useState<{ readonly of: string; readonly found: T }>();
  const looking = useDoing();
  const starting = useDoing();
  const asked = JSON.stringify(request);
  const found = trial !== undefined && trial.of === asked ? trial.found : undefined;
  const look = () =>
    looking.run(async () => {
      setTrial({ of: asked, found: await post<T>(path, { ...request, dryRun: true }) });
    });
  const start = (event: Event) => {
    event.preventDefault();
    void starting.run(async () => {
      const { job } = await post<{ readonly job: Job }>(path, { ...request, ...rateOf(rate) });
      showToast(`${job.id} has begun.`);
      goTo("jobs");
    });
  };
  return (
    <>
      <form class="start" onSubmit={start}>
        {children}
        <Rate value={rate} onInput={setRate} />
        <div class="buttons whole">
          <button type="button" onClick={look} disabled={looking.busy || request === undefined}>
            Preview
          </button>
          <button type="submit" class="primary" disabled={starting.busy || found === undefined || madeIn(found) === 0}>
            {verb}
          </button>
          {!found && <p class="quiet">Preview first: it says what it would come to, and does nothing.</p>}
        </div>
      </form>
      <Fault problem={looking.problem ?? starting.problem} />
      <div role="status">
        {looking.busy && <progress aria-label="Looking" />}
        {found && (
          <section aria-labelledby="trial">
            <h2 id="trial">What it would come to</h2>
            {showTrial(found)}
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
  readonly word: string;
  readonly children: string;
}

/** One of several, with what it means. */
export function Choice({ name, checked, onChange, word, children }: ChoiceProps) {
  const id = useId();
  return (
    <label class="choice">
      <input type="radio" name={name} checked={checked} onChange={onChange} aria-describedby={id} />
      <span>
        {word} <small id={id}>{children}</small>
      </span>
    </label>
  );
}
