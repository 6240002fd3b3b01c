import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { useDoing } from "../poll.ts";
import { Fault } from "./loading-states.tsx";

/** A reason's characters: the API's own limit. */
const maxReason = 500;

interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

/** A question in front of everything else. Escape closes it, and what had the focus has it again. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={heading} onClose={onClose}>
      <h2 id={heading}>{title}</h2>
      {children}
    </dialog>
  );
}

interface AskProps {
  readonly title: string;
  /** Label of the button: a verb. */
  readonly verb: string;
  readonly dangerous?: boolean;
  readonly onClose: () => void;
  readonly children?: ComponentChildren;
  /** Throws a problem where it cannot be done: the dialog stays, and shows it. */
  readonly act: (reason: string) => Promise<void>;
}

/** Asks for a reason, which goes into the ledger, and does it. */
export function Ask({ title, verb, dangerous = false, onClose, children, act }: AskProps) {
  const [reason, setReason] = useState("");
  const { busy, problem, run } = useDoing();
  const submit = (event: Event) => {
    event.preventDefault();
    void run(async () => {
      await act(reason.trim());
      onClose();
    });
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={submit}>
        {children}
        <Reason value={reason} onInput={setReason} />
        <Fault problem={problem} />
        <div class="buttons">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class={dangerous ? "danger" : "primary"} disabled={busy || reason.trim() === ""}>
            {verb}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

export function Reason({ value, onInput }: { readonly value: string; readonly onInput: (value: string) => void }) {
  const id = useId();
  return (
    <div class="labelled">
      <label for={id}>Reason</label>
      <textarea
        id={id}
        rows={2}
        required
        maxLength={maxReason}
        value={value}
        aria-describedby={`${id}-why`}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      <small id={`${id}-why`}>It stands in the ledger beside your name.</small>
    </div>
  );
}

interface RateProps {
  /** Text as typed. Empty for no limit. */
  readonly value: string;
  readonly onInput: (value: string) => void;
}

/** Field for the rate limit of a job. */
export function Rate({ value, onInput }: RateProps) {
  const id = useId();
  return (
    <div class="labelled">
      <label for={id}>Packets a second, at most</label>
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

/** Fields that every job has. */
export function rateOf(typed: string): { readonly perSecond?: number } {
  return typed === "" ? {} : { perSecond: Number(typed) };
}
