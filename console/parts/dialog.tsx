import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { useAction } from "../poll.ts";
import { ProblemAlert } from "./loading-states.tsx";

/** Most characters of a reason: the API's limit. */
const maxReasonLength = 500;

interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

/** A modal dialog. Escape closes it, and the focus returns to the element that had it before. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const focusedBefore = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (focusedBefore instanceof HTMLElement) focusedBefore.focus();
    };
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={heading} onClose={onClose}>
      <h2 id={heading}>{title}</h2>
      {children}
    </dialog>
  );
}

interface ReasonDialogProps {
  readonly title: string;
  /** Label of the submit button: a verb. */
  readonly verb: string;
  readonly dangerous?: boolean;
  readonly onClose: () => void;
  readonly children?: ComponentChildren;
  /** Runs the action. If it throws a `ProblemError`, the dialog stays open and shows it. */
  readonly run: (reason: string) => Promise<void>;
}

/** Asks for the reason of an action, which is recorded in the ledger, and runs the action. */
export function ReasonDialog({ title, verb, dangerous = false, onClose, children, run }: ReasonDialogProps) {
  const [reason, setReason] = useState("");
  const action = useAction();
  const submit = (event: Event) => {
    event.preventDefault();
    void action.run(async () => {
      await run(reason.trim());
      onClose();
    });
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={submit}>
        {children}
        <ReasonField value={reason} onInput={setReason} />
        <ProblemAlert problem={action.problem} />
        <div class="buttons">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class={dangerous ? "danger" : "primary"} disabled={action.busy || reason.trim() === ""}>
            {verb}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** Input for the reason of an action. */
export function ReasonField({ value, onInput }: { readonly value: string; readonly onInput: (value: string) => void }) {
  const id = useId();
  return (
    <div class="labeled">
      <label for={id}>Reason</label>
      <textarea
        id={id}
        rows={2}
        required
        maxLength={maxReasonLength}
        value={value}
        aria-describedby={`${id}-hint`}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      <small id={`${id}-hint`}>It is recorded in the ledger with your name.</small>
    </div>
  );
}

interface RateFieldProps {
  /** Text as typed. Empty if there is no limit. */
  readonly value: string;
  readonly onInput: (value: string) => void;
}

/** Input for the rate limit of a job. */
export function RateField({ value, onInput }: RateFieldProps) {
  const id = useId();
  return (
    <div class="labeled">
      <label for={id}>Maximum packets per second</label>
      <input
        id={id}
        type="number"
        min={1}
        max={10_000}
        placeholder="no limit"
        value={value}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
    </div>
  );
}

/** Converts a typed rate to a field of a job request. */
export function rateOf(typed: string): { readonly perSecond?: number } {
  return typed === "" ? {} : { perSecond: Number(typed) };
}
