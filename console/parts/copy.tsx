import { useState } from "preact/hooks";
import { Icon } from "./icon.tsx";
import { showToast } from "./toast.tsx";

/** A text with a button that copies it whole. */
export function Copied({
  text,
  what,
  short,
}: {
  readonly text: string;
  readonly what: string;
  readonly short?: string;
}) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      showToast("The browser does not let this page copy; mark the text and copy it yourself.");
      return;
    }
    showToast(`Copied the ${what}.`);
    setDone(true);
    setTimeout(() => setDone(false), 1_500);
  };
  return (
    <span class="copied">
      <code title={text}>{short ?? text}</code>
      <button type="button" class="icon-button" aria-label={`Copy the ${what}`} onClick={copy}>
        <Icon name={done ? "check" : "copy"} />
      </button>
    </span>
  );
}
